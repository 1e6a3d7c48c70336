/** The command line of the embedded server, with the reason for each flag. */
import { attributeFlags } from './search-attributes.ts';
import type { ServerFiles } from './server-files.ts';

/** Arguments of `temporal`; `searchServer` relies on the order of the ports and on an argument after the database. */
export function serverArguments(files: ServerFiles, port: number, uiPort: number): string[] {
  // Loopback only: the dev server has no authentication.
  const ports = ['--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`];
  // Committed work survives kill -9, as promised; with `NORMAL` a power loss may lose the last transactions, never the
  // database. On 2 cores: 380 to 430 activities/s against 180 to 210 without both pragmas, 0.2 s to start against 0.5 s, a
  // third less CPU. `synchronous=OFF` is not measurably faster. A larger page cache, fewer matching partitions and eager
  // activities (on by default) made no difference, so no dynamic configuration is set.
  const pragmas = ['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'];
  const database = ['--db-filename', files.database, ...pragmas];
  // `error` still logs why a start failed; `warn` writes about 40 lines at every stop. By default the Web UI fetches news from the internet.
  const quiet = ['--log-level', 'error', '--ui-disable-news-fetch'];
  // For searches in the Web UI; a database that already has them is not changed.
  const attributes = attributeFlags.flatMap((flag) => ['--search-attribute', flag]);
  return ['server', 'start-dev', ...ports, ...database, ...quiet, ...attributes];
}

/**
 * Returns only the variables that any program needs: the server outlives this process and must not have our keys. Without USER
 * and HOME it does not start (version 1.9.1), and a container with an arbitrary user id has neither; it does not write to HOME.
 */
export function serverEnvironment(files: ServerFiles, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = [
    'PATH',
    'HOME',
    'USER',
    'TMPDIR',
    'TEMP',
    'TMP',
    'USERPROFILE',
    'SYSTEMROOT',
    'LOCALAPPDATA',
    'APPDATA',
  ];
  const given = names.flatMap((name) => (env[name] ? [[name, env[name]]] : []));
  return { USER: 'durable-batch', HOME: files.folder, ...(Object.fromEntries(given) as NodeJS.ProcessEnv) };
}
