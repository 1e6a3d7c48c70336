/** Chooses the Temporal server and connects to it. */
import type { Connection } from '@temporalio/client';
import type { ClientConfigTLS, ClientConnectConfig } from '@temporalio/envconfig';
import { BatchError, ErrorCode } from '../core/errors.ts';
import type { ConnectionProblem } from './diagnose-connection.ts';
import type { EmbeddedServerOptions } from './server-process.ts';
import type { ServerAvailability } from './server-availability.ts';
import type { TemporalTarget } from './temporal-target.ts';

const CONNECT_MS = 10_000;

/** A connection that takes longer than this is diagnosed, so that a problem that waiting does not fix is reported at once. */
const DIAGNOSE_AFTER_MS = 500;

/** How long the diagnosis waits for a response of the server. */
const DIAGNOSE_MS = 2_000;

/** Returns the configured server if `TEMPORAL_ADDRESS` or the profile sets an address; otherwise the embedded server, starting it if needed. */
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
 * Opens a connection for a client; the caller closes it. Fails within `timeoutMs` (10 s), or at once if waiting does not help,
 * with a message that says what to do. The result of each attempt of a call is recorded in `availability`.
 * @throws BatchError `temporal_unavailable`
 */
export async function connectClient(
  target: TemporalTarget,
  timeoutMs: number = CONNECT_MS,
  availability: ServerAvailability | null = null,
): Promise<Connection> {
  const { Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } =
    await import('@temporalio/client');
  const retry = defaultGrpcRetryOptions();
  const retryableDecider: typeof retry.retryableDecider = (attempt, status) => {
    availability?.recordStatus(status.code);
    return retry.retryableDecider(attempt, status);
  };
  const interceptors = [makeGrpcRetryInterceptor({ ...retry, retryableDecider })];
  let connection: Connection | null = null;
  try {
    connection = Connection.lazy({ ...target.connection, interceptors, connectTimeout: timeoutMs });
    await unlessDiagnosed(connection.ensureConnected(), target);
    return connection;
  } catch (error) {
    await connection?.close();
    throw await unreachable(target, error, timeoutMs);
  }
}

/** A problem for which no connection can succeed. */
class DiagnosedError extends Error {
  readonly problem: ConnectionProblem;

  constructor(problem: ConnectionProblem) {
    super(problem.what);
    this.problem = problem;
  }
}

/** Waits for a connection; fails early when the diagnosis finds a final problem. */
async function unlessDiagnosed(connecting: Promise<void>, target: TemporalTarget): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const finalProblem = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const diagnose = async (): Promise<void> => {
        const problem = await findProblem(target);
        if (problem?.isFinal === true) reject(new DiagnosedError(problem));
      };
      void diagnose();
    }, DIAGNOSE_AFTER_MS);
  });
  connecting.catch(() => undefined); // it may fail after the race has ended
  try {
    await Promise.race([connecting, finalProblem]);
  } finally {
    clearTimeout(timer);
  }
}

async function findProblem({ connection }: TemporalTarget): Promise<ConnectionProblem | null> {
  // Imported only for a connection that fails.
  const { diagnoseConnection } = await import('./diagnose-connection.ts');
  return await diagnoseConnection(connection, DIAGNOSE_MS);
}

/**
 * The error for a connection that failed within `timeoutMs` (0 if not known); its message says what to do. It has no `cause`:
 * gRPC errors contain the request's metadata, and with it the API key.
 */
export async function unreachable(
  target: TemporalTarget,
  error: unknown,
  timeoutMs: number,
): Promise<BatchError> {
  const { kind, connection } = target;
  if (kind === 'configured' && !isRefusal(error)) {
    const problem = error instanceof DiagnosedError ? error.problem : await findProblem(target);
    if (problem !== null) {
      return new BatchError(
        ErrorCode.TemporalUnavailable,
        `The Temporal server at ${connection.address} ${problem.what}.`,
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
    // The first line only, and no `cause`: the parser quotes the lines around an error, which may contain a key.
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : 'unreadable';
    throw new BatchError(
      ErrorCode.TemporalUnavailable,
      `Temporal's configuration cannot be read: ${reason}. Correct the file (TEMPORAL_CONFIG_FILE) or the TEMPORAL_* variables.`,
    );
  }
}

/** Temporal's package silently ignores a certificate without a key, and a key without a certificate. */
function assertCertificatePair(tls: ClientConfigTLS | undefined): void {
  if ((tls?.clientCert === undefined) === (tls?.clientKey === undefined)) return;
  throw new Error('a client certificate needs its key, and a key its certificate');
}

async function embeddedTarget(options: EmbeddedServerOptions): Promise<TemporalTarget> {
  // Imported only when no server is configured.
  const { ensureEmbeddedServer } = await import('./embedded-server.ts');
  const { address, uiUrl } = await ensureEmbeddedServer(options);
  return { kind: 'embedded', connection: { address }, namespace: 'default', uiUrl };
}

function unreachableMessage(target: TemporalTarget, error: unknown, timeoutMs: number): string {
  const { address } = target.connection;
  if (target.kind === 'embedded') {
    return `The embedded Temporal server at ${address} is no longer running. Run the command again: it starts a new one.`;
  }
  if (isRefusal(error)) {
    return `The Temporal server at ${address} refused the connection. Check TEMPORAL_API_KEY, the client certificate of the profile, and their permissions.`;
  }
  return (
    `No Temporal server responds at ${address}${timeoutMs === 0 ? '' : ` (waited up to ${timeoutMs / 1000} s)`}. Start it, fix TEMPORAL_ADDRESS ` +
    '(or the address of the profile), check TLS, or unset the address to use the embedded server.'
  );
}

/** Messages of the worker's core (@temporalio/core-bridge 1.24.0) for UNAUTHENTICATED and PERMISSION_DENIED. */
const REFUSED_BY_CORE = /valid authentication credentials|does not have permission/;

/** True for gRPC's PERMISSION_DENIED and UNAUTHENTICATED: the client wraps the code, the worker's core has only the message. */
function isRefusal(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (code === 7 || code === 16) return true;
    if (REFUSED_BY_CORE.test(cause.message)) return true;
  }
  return false;
}
