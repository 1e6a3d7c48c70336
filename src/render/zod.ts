/** The parts of zod that the schemas of templates and job files use. `npm run build` bundles them, so that users do not install the library. */
export {
  array,
  boolean,
  enum as oneOf,
  exactOptional,
  int,
  number,
  record,
  strictObject,
  string,
  union,
  unknown,
  type ZodType,
} from 'zod';
