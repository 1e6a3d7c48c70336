/** Which Temporal server to use, and the connection to it. */
import type { Connection } from '@temporalio/client';
import type { ClientConfigTLS, ClientConnectConfig } from '@temporalio/envconfig';
import { BatchError, ErrorCode } from '../core/errors.ts';
import type { ConnectionMistake } from './connection-mistake.ts';
import type { EmbeddedServerOptions } from './embedded-server.ts';
import type { ServerSight } from './server-sight.ts';
import type { TemporalTarget } from './temporal-target.ts';

const CONNECT_MS = 10_000;

/** A connection that is not there after this long is looked into: what waiting does not mend is told at once. */
const LOOK_AFTER_MS = 500;

/** A server that is there answers a greeting within this time, or the look says nothing. */
const LOOK_MS = 2_000;

/** The configured server if an address is set by `TEMPORAL_ADDRESS` or the profile; otherwise the embedded one, started if need be. */
export async function resolveTemporalTarget(options: EmbeddedServerOptions): Promise<TemporalTarget> {
  const { namespace, connectionOptions } = await loadConfiguration();
  const { address, tls, apiKey, metadata } = connectionOptions;
  if (address === undefined || address === '') {
    if (namespace !== undefined || apiKey !== undefined) {
      options.log?.('A Temporal namespace or API key is set without an address: both are ignored.');
    }
    return embeddedTarget(options);
  }
  const connection = {
    address,
    ...(tls === undefined || tls === null ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata }),
  };
  return { kind: 'configured', connection, namespace: namespace ?? 'default' };
}

/**
 * An open connection for a client; fails within `timeoutMs` (10 s) with what to do, at once where waiting does not help. The
 * caller closes it. How its calls end is told to `sight`, attempt by attempt.
 * @throws BatchError `temporal_unavailable`
 */
export async function connectClient(
  target: TemporalTarget,
  timeoutMs: number = CONNECT_MS,
  sight: ServerSight | null = null,
): Promise<Connection> {
  const { Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } =
    await import('@temporalio/client');
  const retry = defaultGrpcRetryOptions();
  const retryableDecider: typeof retry.retryableDecider = (attempt, status) => {
    sight?.note(status.code);
    return retry.retryableDecider(attempt, status);
  };
  const interceptors = [makeGrpcRetryInterceptor({ ...retry, retryableDecider })];
  let connection: Connection | null = null;
  try {
    connection = Connection.lazy({ ...target.connection, interceptors, connectTimeout: timeoutMs });
    await unlessMistaken(connection.ensureConnected(), target);
    return connection;
  } catch (error) {
    await connection?.close();
    throw await unreachable(target, error, timeoutMs);
  }
}

/** What was found out about a connection that fails. */
class Mistaken extends Error {
  readonly mistake: ConnectionMistake;

  constructor(mistake: ConnectionMistake) {
    super(mistake.what);
    this.mistake = mistake;
  }
}

/** Waits for a connection, but not for one that cannot come. */
async function unlessMistaken(connecting: Promise<void>, target: TemporalTarget): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const finalMistake = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const look = async (): Promise<void> => {
        const mistake = await findMistake(target);
        if (mistake?.isFinal === true) reject(new Mistaken(mistake));
      };
      void look();
    }, LOOK_AFTER_MS);
  });
  connecting.catch(() => undefined); // it may fail later, when nobody waits any more
  try {
    await Promise.race([connecting, finalMistake]);
  } finally {
    clearTimeout(timer);
  }
}

async function findMistake({ connection }: TemporalTarget): Promise<ConnectionMistake | null> {
  // A connection that comes about needs none of this code.
  const { findConnectionMistake } = await import('./connection-mistake.ts');
  return await findConnectionMistake(connection, LOOK_MS);
}

/**
 * What to do about a connection that did not come about within `timeoutMs`, 0 where that is not known. No `cause`: gRPC errors
 * carry the request's metadata, and with it the API key.
 */
export async function unreachable(
  target: TemporalTarget,
  error: unknown,
  timeoutMs: number,
): Promise<BatchError> {
  const { kind, connection } = target;
  if (kind === 'configured' && !isRefusal(error)) {
    const mistake = error instanceof Mistaken ? error.mistake : await findMistake(target);
    if (mistake !== null) {
      return new BatchError(
        ErrorCode.TemporalUnavailable,
        `The Temporal server at ${connection.address} ${mistake.what}.`,
      );
    }
  }
  return new BatchError(ErrorCode.TemporalUnavailable, unreachableMessage(target, error, timeoutMs));
}

async function loadConfiguration(): Promise<ClientConnectConfig> {
  const { loadClientConfigProfile, toClientOptions } = await import('@temporalio/envconfig');
  try {
    const profile = loadClientConfigProfile();
    assertCertificatePair(profile.tls);
    return toClientOptions(profile);
  } catch (error) {
    // The first line only, and no `cause`: the parser quotes the lines around a mistake, and a key may be on them.
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : 'unreadable';
    throw new BatchError(
      ErrorCode.TemporalUnavailable,
      `Temporal's configuration cannot be read: ${reason}. Mend the file (TEMPORAL_CONFIG_FILE) or the TEMPORAL_* variables.`,
    );
  }
}

/** Temporal's package drops the half of a pair without a word. */
function assertCertificatePair(tls: ClientConfigTLS | undefined): void {
  if ((tls?.clientCert === undefined) === (tls?.clientKey === undefined)) return;
  throw new Error('a client certificate needs its key, and a key its certificate');
}

async function embeddedTarget(options: EmbeddedServerOptions): Promise<TemporalTarget> {
  // With a configured server none of this code is needed.
  const { ensureEmbeddedServer } = await import('./embedded-server.ts');
  const { address, uiUrl } = await ensureEmbeddedServer(options);
  return { kind: 'embedded', connection: { address }, namespace: 'default', uiUrl };
}

function unreachableMessage(target: TemporalTarget, error: unknown, timeoutMs: number): string {
  const { address } = target.connection;
  if (target.kind === 'embedded') {
    return `The embedded Temporal server at ${address} has gone. Run the command again: it starts a new one.`;
  }
  if (isRefusal(error)) {
    return `The Temporal server at ${address} refused the connection. Check TEMPORAL_API_KEY, the client certificate of the profile, and what they may do.`;
  }
  return (
    `No Temporal server answers at ${address}${timeoutMs === 0 ? '' : ` (waited up to ${timeoutMs / 1000} s)`}. Start it, fix TEMPORAL_ADDRESS ` +
    '(or the address of the profile), check TLS, or unset the address to use the embedded server.'
  );
}

/** The words of the worker's core (@temporalio/core-bridge 1.24.0) for UNAUTHENTICATED and PERMISSION_DENIED. */
const REFUSED_BY_CORE = /valid authentication credentials|does not have permission/;

/** True for gRPC's PERMISSION_DENIED and UNAUTHENTICATED, which the client wraps and the worker's core tells in words. */
function isRefusal(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (code === 7 || code === 16) return true;
    if (REFUSED_BY_CORE.test(cause.message)) return true;
  }
  return false;
}
