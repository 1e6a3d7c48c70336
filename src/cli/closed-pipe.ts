/**
 * Readers may leave early (`results JOB | head`): a command that only prints ends then, quietly and well. One that works (`run`)
 * goes on without a reader. Other troubles of standard output, such as a full disk, are told.
 */
export function exitOnClosedStdout(command: string | undefined): void {
  const works = command === 'run';
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    const isGone = error.code === 'EPIPE';
    if (!isGone) {
      const code = error.code ?? error.name;
      process.stderr.write(
        `durable-batch: standard output cannot be written (${code}): mend it and run the command again.\n`,
      );
    }
    if (!works) process.exit(isGone ? 0 : 1);
  });
  // Progress and remarks: nobody misses them.
  process.stderr.on('error', () => undefined);
}
