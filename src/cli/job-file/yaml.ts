/** The parts of yaml that job files use. `npm run build` bundles them, so that users do not install the library. */
export { isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from 'yaml';
