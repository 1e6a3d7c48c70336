/**
 * Preloaded into a worker (NODE_OPTIONS=--import): while the file DISK_FAILS_WHILE exists, writes into the store fail with the error
 * code in that file. Reads succeed, as on a full or read-only disk. DISK_FAILS_FOR limits the failure to files with this in their name.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const flag = process.env.DISK_FAILS_WHILE;
const name = process.env.DISK_FAILS_FOR ?? '';

function refuse(path) {
  if (
    flag === undefined ||
    !String(path).includes('/store/') ||
    !String(path).includes(name) ||
    !fs.existsSync(flag)
  )
    return;
  const code = fs.readFileSync(flag, 'utf8').trim();
  throw Object.assign(new Error(`${code}: refused, open '${path}'`), { code });
}

/** Flags may be numbers; the last two bits are the access mode. */
const isReading = (flags) => flags === 'r' || (typeof flags === 'number' && (flags & 3) === 0);

const { openSync } = fs;
fs.openSync = (path, flags, ...rest) => {
  if (!isReading(flags)) refuse(path);
  return openSync(path, flags, ...rest);
};
const { open } = fs.promises;
fs.promises.open = async (path, flags, ...rest) => {
  if (!isReading(flags)) refuse(path);
  return await open(path, flags, ...rest);
};
syncBuiltinESMExports();
