/** Commands that use only the server and the store. */
const clientCommands: ReadonlySet<string> = new Set([
  'start',
  'estimate',
  'status',
  'watch',
  'results',
  'cancel',
  'pause',
  'resume',
  'list',
  'priority',
  'queue',
  'schedule',
  'setup',
]);

/**
 * True for a command that needs no worker. Such a command is loaded from one bundled file (see `npm run build`), in two thirds
 * of the time. Workers cannot be bundled: their threads and native module are found by their paths in `node_modules`.
 */
export function isClientCommand([command = '', ...rest]: readonly string[]): boolean {
  return clientCommands.has(command) || (command === 'run' && rest.includes('--no-worker'));
}
