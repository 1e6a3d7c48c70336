/** Preloaded into a command (NODE_OPTIONS=--import): its standard error is a terminal of 80 columns, for all it can see. */
Object.assign(process.stderr, {
  isTTY: true,
  columns: 80,
  rows: 30,
  hasColors: () => false,
  getColorDepth: () => 1,
});
