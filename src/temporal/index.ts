/** The connection to Temporal, and the embedded server. */
export { connectClient, resolveTemporalTarget, unreachable } from './connection.ts';
export { describeEmbeddedServer, ensureEmbeddedServer, stopEmbeddedServer } from './embedded-server.ts';
export type { EmbeddedServer } from './embedded-server.ts';
export type { EmbeddedServerOptions } from './server-process.ts';
export { keepEmbeddedServer } from './keep-embedded-server.ts';
export { isSearchable, registerSearchAttributes } from './search-attributes.ts';
export type { Registration } from './search-attributes.ts';
export { resolveTemporalCli } from './temporal-cli.ts';
export type { ResolveCliOptions } from './temporal-cli.ts';
export type { TemporalConnectionOptions, TemporalTarget } from './temporal-target.ts';
export { ServerAvailability } from './server-availability.ts';
