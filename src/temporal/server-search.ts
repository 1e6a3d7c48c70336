/** Finds the server of a home by its command line, where the state file cannot tell. */
import { readdir, readFile } from 'node:fs/promises';
import { ownPlace, processStartTime } from './process-identity.ts';
import { runCommand } from './run-command.ts';
import type { ServerFiles, ServerState } from './server-files.ts';

const PS_MS = 10_000;

/**
 * The server that has this home's database open although no state names it: its starter was killed before it wrote the
 * state, or the state was deleted. A second server on one database must never run.
 */
export async function searchServer(files: ServerFiles): Promise<ServerState | undefined> {
  for (const { pid, command } of await allCommands()) {
    const found = /^(?<cli>.*) server start-dev .*--port (?<port>\d+) --ui-port (?<uiPort>\d+) /.exec(
      command,
    );
    if (!found?.groups || !command.includes(` --db-filename ${files.database} `)) continue;
    const startTime = await processStartTime(pid);
    if (startTime === undefined) continue;
    const { cli = '', port, uiPort } = found.groups;
    return {
      pid,
      startTime,
      place: await ownPlace(),
      port: Number(port),
      uiPort: Number(uiPort),
      cli,
      stopped: false,
    };
  }
  return undefined;
}

interface RunningCommand {
  readonly pid: number;
  /** Arguments joined by spaces, with one behind the last. */
  readonly command: string;
}

async function allCommands(): Promise<RunningCommand[]> {
  if (process.platform === 'linux') return linuxCommands();
  // No cheap way on Windows; there only the state file tells.
  if (process.platform === 'win32') return [];
  const lines = await runCommand('ps', ['-axww', '-o', 'pid=,args='], { timeoutMs: PS_MS }).catch(() => '');
  return lines.split('\n').flatMap((line) => {
    const [, pid, command] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), command: `${command} ` }];
  });
}

/** From /proc, since slim images have no `ps`. */
async function linuxCommands(): Promise<RunningCommand[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const reads = pids.map(async (pid) => {
    // Gone since listed, or not ours to read: not our server.
    const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return { pid: Number(pid), command: argv.replaceAll('\0', ' ') };
  });
  return Promise.all(reads);
}
