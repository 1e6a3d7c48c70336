/** The way to Temporal: which server, whether it runs, how to reach it. */
export { connectClient, resolveTemporalTarget, unreachable } from './connection.ts';
export { describeEmbeddedServer, ensureEmbeddedServer, stopEmbeddedServer } from './embedded-server.ts';
export type { EmbeddedServer, EmbeddedServerOptions } from './embedded-server.ts';
export { keepEmbeddedServer } from './keep-embedded-server.ts';
export { isSearchable, registerSearchAttributes } from './search-attributes.ts';
export type { Registration } from './search-attributes.ts';
export { resolveTemporalCli } from './temporal-cli.ts';
export type { ResolveCliOptions } from './temporal-cli.ts';
export type { TemporalConnectionOptions, TemporalTarget } from './temporal-target.ts';
export { ServerSight } from './server-sight.ts';
