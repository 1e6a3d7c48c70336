/** Which Temporal server to use, and the connection to it. */
import type { Connection, ConnectionOptions } from '@temporalio/client';
import type { ClientConnectConfig } from '@temporalio/envconfig';
import { BatchError, ErrorCode } from '../core/errors.ts';
import type { EmbeddedServerOptions } from './embedded-server.ts';

const CONNECT_MS = 10_000;

/** Options that `Connection.connect` of the client and `NativeConnection.connect` of the worker both take. */
export interface TemporalConnectionOptions {
  /** `host:port` of gRPC. */
  readonly address: string;
  readonly tls?: NonNullable<ConnectionOptions['tls']>;
  readonly apiKey?: string;
  readonly metadata?: NonNullable<ConnectionOptions['metadata']>;
}

/** A server and the namespace in it. */
export interface TemporalTarget {
  /** `configured` by the user's environment or profile, or our own `embedded` one. */
  readonly kind: 'configured' | 'embedded';
  /** Holds secrets (API key, TLS key): never log it. */
  readonly connection: TemporalConnectionOptions;
  readonly namespace: string;
  /** The Web UI, where it is known. */
  readonly uiUrl?: string;
}

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

/** An open connection for a client; fails within `timeoutMs` (10 s) with what to do. The caller closes it. */
export async function connectClient(
  target: TemporalTarget,
  timeoutMs: number = CONNECT_MS,
): Promise<Connection> {
  const { Connection } = await import('@temporalio/client');
  const connection = Connection.lazy({ ...target.connection, connectTimeout: timeoutMs });
  try {
    await connection.ensureConnected();
    return connection;
  } catch (error) {
    await connection.close();
    // No `cause`: gRPC errors carry the request's metadata, and with it the API key.
    throw new BatchError(ErrorCode.TemporalUnavailable, unreachableMessage(target, error, timeoutMs));
  }
}

async function loadConfiguration(): Promise<ClientConnectConfig> {
  const { loadClientConnectConfig } = await import('@temporalio/envconfig');
  try {
    return loadClientConnectConfig();
  } catch (error) {
    // The first line only, and no `cause`: the parser quotes the lines around a mistake, and a key may be on them.
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : 'unreadable';
    throw new BatchError(
      ErrorCode.TemporalUnavailable,
      `Temporal's configuration cannot be read: ${reason}. Mend the file (TEMPORAL_CONFIG_FILE) or the TEMPORAL_* variables.`,
    );
  }
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
    return `The Temporal server at ${address} refused the connection. Check TEMPORAL_API_KEY or the TLS certificate of the profile.`;
  }
  return (
    `No Temporal server answers at ${address} (waited up to ${timeoutMs / 1000} s). Start it, fix TEMPORAL_ADDRESS ` +
    '(or the address of the profile), check TLS, or unset the address to use the embedded server.'
  );
}

/** True for gRPC's PERMISSION_DENIED and UNAUTHENTICATED, which the client wraps. */
function isRefusal(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && (cause.code === 7 || cause.code === 16);
}
