/** Commands that only talk to the server and the store. */
const clientCommands: ReadonlySet<string> = new Set([
  'start',
  'status',
  'watch',
  'results',
  'cancel',
  'pause',
  'resume',
  'list',
  'schedule',
  'setup',
]);

/**
 * True for a command that needs no worker. Such a command is loaded from one file (`npm run build` makes it), in two thirds
 * of the time; the code of a worker has threads and a native part, which find each other by their places in `node_modules`.
 */
export function isClientCommand([command = '', ...rest]: readonly string[]): boolean {
  return clientCommands.has(command) || (command === 'run' && rest.includes('--no-worker'));
}
