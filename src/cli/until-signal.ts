/** Resolves at SIGINT or SIGTERM; a second one ends the process as it would without us. */
export function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
