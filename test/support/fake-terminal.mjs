/** Preloaded into a command (NODE_OPTIONS=--import): makes its standard error look like a terminal of 80 columns. */
Object.assign(process.stderr, {
  isTTY: true,
  columns: 80,
  rows: 30,
  hasColors: () => false,
  getColorDepth: () => 1,
});
