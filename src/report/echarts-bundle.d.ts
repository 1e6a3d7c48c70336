/** The library in one file: its many modules take ten times as long to load. */
declare module 'echarts/dist/echarts.esm.min.mjs' {
  export * from 'echarts';
}
