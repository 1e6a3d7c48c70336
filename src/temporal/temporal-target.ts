/** The address and connection options of a Temporal server. */
import type { ConnectionOptions } from '@temporalio/client';

/** Options that `Connection.connect` of the client and `NativeConnection.connect` of the worker both take. */
export interface TemporalConnectionOptions {
  /** `host:port` of gRPC. */
  readonly address: string;
  /** `true`, or certificates and the server's name; missing or `false` for plain text. */
  readonly tls?: NonNullable<ConnectionOptions['tls']>;
  /** Sent as `Authorization: Bearer …` in every call. */
  readonly apiKey?: string;
  /** Headers of every call. */
  readonly metadata?: NonNullable<ConnectionOptions['metadata']>;
}

/** A server and the namespace in it. */
export interface TemporalTarget {
  /** `configured` by the user's environment or profile, or the `embedded` server. */
  readonly kind: 'configured' | 'embedded';
  /** Contains secrets (API key, TLS key): never log it. */
  readonly connection: TemporalConnectionOptions;
  /** The namespace of the jobs; it must exist. */
  readonly namespace: string;
  /** URL of the Web UI, if known. */
  readonly uiUrl?: string;
}
