/** The command line of the embedded server, with the reason for each flag. */
import { attributeFlags } from './search-attributes.ts';
import type { ServerFiles } from './server-files.ts';

/** Arguments of `temporal`; `searchServer` relies on the order of the ports and on an argument behind the database. */
export function serverArguments(files: ServerFiles, port: number, uiPort: number): string[] {
  // Loopback only: the dev server has no authentication.
  const ports = ['--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`];
  // Committed work survives kill -9, which is the promise; `NORMAL` may lose the last moments of a power cut, never the
  // database. On 2 cores: 380 to 430 activities/s against 180 to 210 without the two, 0.2 s to start against 0.5 s, a third
  // less CPU. `synchronous=OFF` gains nothing measurable more. A larger page cache, fewer matching partitions and
  // eager activities (on by default) made no difference, so no dynamic configuration is set.
  const pragmas = ['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'];
  const database = ['--db-filename', files.database, ...pragmas];
  // Still tells why a start failed; `warn` writes some 40 lines at every stop. The Web UI would look for news on the internet.
  const quiet = ['--log-level', 'error', '--ui-disable-news-fetch'];
  // By which the Web UI finds jobs; a database that has them already is not touched.
  const attributes = attributeFlags.flatMap((flag) => ['--search-attribute', flag]);
  return ['server', 'start-dev', ...ports, ...database, ...quiet, ...attributes];
}

/**
 * Only what a program needs to run: the server outlives us, and our keys are no business of its. It will not start without
 * a user's name and folder (version 1.9.1), which a container with any user id has not; it writes to neither.
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
