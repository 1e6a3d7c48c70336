/**
 * Preloaded into a worker (NODE_OPTIONS=--import): opening a file with STUCK_FOR in its name does not end, as on a mount whose server
 * is down. STUCK_PIPE is a pipe without a writer; a file with its name and `.reached` is written before it is opened.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { STUCK_FOR: name, STUCK_PIPE: pipe } = process.env;

const { openSync } = fs;
fs.openSync = (path, ...rest) => {
  if (!String(path).includes(name)) return openSync(path, ...rest);
  fs.writeFileSync(`${pipe}.reached`, '');
  return openSync(pipe, 'r');
};
syncBuiltinESMExports();
