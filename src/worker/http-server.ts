/** The library of the webhook server; `npm run build` bundles it, so that users do not install it. */
export { fastify } from 'fastify';
