/** The command line of the embedded server, with the reason for each flag. */
import type { ServerFiles } from './server-files.ts';

/** Arguments of `temporal`; `searchServer` relies on the order of the ports and on an argument behind the database. */
export function serverArguments(files: ServerFiles, port: number, uiPort: number): string[] {
  // Loopback only: the dev server has no authentication.
  const ports = ['--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`];
  const pragmas = ['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'];
  const database = ['--db-filename', files.database, ...pragmas];
  // Still tells why a start failed; `warn` writes some 40 lines at every stop. The Web UI would look for news on the internet.
  const quiet = ['--log-level', 'error', '--ui-disable-news-fetch'];
  return ['server', 'start-dev', ...ports, ...database, ...quiet];
}

/** Only what a program needs to run: the server outlives us, and our keys are no business of its. */
export function serverEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = [
    'PATH',
    'HOME',
    'TMPDIR',
    'TEMP',
    'TMP',
    'USERPROFILE',
    'SYSTEMROOT',
    'LOCALAPPDATA',
    'APPDATA',
  ];
  return Object.fromEntries(names.filter((name) => env[name] !== undefined).map((name) => [name, env[name]]));
}
