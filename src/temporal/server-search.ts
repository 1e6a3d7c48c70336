/** Finds the server of a home by its command line, when the state file does not name it. */
import { readdir, readFile } from 'node:fs/promises';
import { ownPlace, processStartTime } from './process-identity.ts';
import { runCommand } from './run-command.ts';
import type { ServerFiles, ServerState } from './server-files.ts';

const PS_MS = 10_000;

/**
 * Returns a server that has this home's database open without a state file: its starter was killed before it wrote the state, or
 * the state was deleted. Two servers must never use one database.
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
  /** The arguments, each followed by a space. */
  readonly command: string;
}

async function allCommands(): Promise<RunningCommand[]> {
  if (process.platform === 'linux') return linuxCommands();
  // There is no cheap way on Windows: only the state file is used.
  if (process.platform === 'win32') return [];
  const lines = await runCommand('ps', ['-axww', '-o', 'pid=,args='], { timeoutMs: PS_MS }).catch(() => '');
  return lines.split('\n').flatMap((line) => {
    const [, pid, command] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), command: `${command} ` }];
  });
}

/** Reads /proc, since slim images have no `ps`. */
async function linuxCommands(): Promise<RunningCommand[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const reads = pids.map(async (pid) => {
    // The process has ended, or belongs to another user: it is not our server.
    const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return { pid: Number(pid), command: argv.replaceAll('\0', ' ') };
  });
  return Promise.all(reads);
}
