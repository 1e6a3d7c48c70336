/**
 * Preloaded into a worker (NODE_OPTIONS=--import): opening a file with STUCK_FOR in its name does not end, as on a mount whose server
 * is down. STUCK_PIPE is a pipe without a writer.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { STUCK_FOR: name, STUCK_PIPE: pipe } = process.env;

const { openSync } = fs;
fs.openSync = (path, ...rest) =>
  String(path).includes(name) ? openSync(pipe, 'r') : openSync(path, ...rest);
syncBuiltinESMExports();
