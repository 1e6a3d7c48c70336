/** Runs an external program with limited time and output. */
import { execFile } from 'node:child_process';

/** Returns the standard output of a command; if the command fails, rejects with the end of its standard error. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly env?: NodeJS.ProcessEnv },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const limits = { timeout: options.timeoutMs, maxBuffer: 16 * 1024 * 1024, windowsHide: true };
    const env = options.env ?? process.env;
    execFile(file, [...args], { ...limits, env, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const tail = stderr.trim().split('\n').slice(-3).join(' ');
      const reason = error.killed
        ? `not finished after ${options.timeoutMs / 1000} s`
        : tail || error.message;
      reject(Object.assign(new Error(reason), { code: error.code }));
    });
  });
}
