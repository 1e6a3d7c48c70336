/** The parts of zod that the schema of a template uses. `npm run build` bundles them, so that users do not install the library. */
export {
  enum as oneOf,
  exactOptional,
  record,
  strictObject,
  string,
  union,
  unknown,
  type ZodType,
} from 'zod';
