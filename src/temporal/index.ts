/** The way to Temporal: which server, whether it runs, how to reach it. */
export { connectClient, resolveTemporalTarget } from './connection.ts';
export type { TemporalConnectionOptions, TemporalTarget } from './connection.ts';
export { describeEmbeddedServer, ensureEmbeddedServer, stopEmbeddedServer } from './embedded-server.ts';
export type { EmbeddedServer, EmbeddedServerOptions } from './embedded-server.ts';
export { keepEmbeddedServer } from './keep-embedded-server.ts';
export { isAlive, processStartTime } from './process-identity.ts';
export type { ProcessIdentity } from './process-identity.ts';
export { hasSearchAttributes } from './search-attribute-check.ts';
export { resolveTemporalCli } from './temporal-cli.ts';
export type { ResolveCliOptions } from './temporal-cli.ts';
