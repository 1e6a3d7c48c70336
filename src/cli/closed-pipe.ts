/**
 * Handles a reader of standard output that closes early (`results JOB | head`): commands that only print exit with 0, without a
 * message; `run` continues without a reader. Other errors of standard output, such as a full disk, are reported.
 */
export function exitOnClosedStdout(command: string | undefined): void {
  const continues = command === 'run';
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    const isGone = error.code === 'EPIPE';
    if (!isGone) {
      const code = error.code ?? error.name;
      process.stderr.write(
        `durable-batch: standard output cannot be written (${code}): fix it and run the command again.\n`,
      );
    }
    if (!continues) process.exit(isGone ? 0 : 1);
  });
  // Progress and messages are optional.
  process.stderr.on('error', () => undefined);
}
