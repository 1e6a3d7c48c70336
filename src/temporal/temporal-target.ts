/** What is known of a Temporal server before anybody connects to it. */
import type { ConnectionOptions } from '@temporalio/client';

/** Options that `Connection.connect` of the client and `NativeConnection.connect` of the worker both take. */
export interface TemporalConnectionOptions {
  /** `host:port` of gRPC. */
  readonly address: string;
  /** `true`, or certificates and the server's name; absent or `false` for plain text. */
  readonly tls?: NonNullable<ConnectionOptions['tls']>;
  /** Sent as `Authorization: Bearer …` with every call. */
  readonly apiKey?: string;
  /** Headers of every call. */
  readonly metadata?: NonNullable<ConnectionOptions['metadata']>;
}

/** A server and the namespace in it. */
export interface TemporalTarget {
  /** `configured` by the user's environment or profile, or our own `embedded` one. */
  readonly kind: 'configured' | 'embedded';
  /** Holds secrets (API key, TLS key): never log it. */
  readonly connection: TemporalConnectionOptions;
  /** The namespace of the jobs; it must exist. */
  readonly namespace: string;
  /** The Web UI, where it is known. */
  readonly uiUrl?: string;
}
