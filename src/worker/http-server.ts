/** The library of the worker's own small server; `npm run build` puts it into one file, so that nobody installs it with us. */
export { fastify } from 'fastify';
