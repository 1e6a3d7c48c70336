import { ApiError, assertInteger, invalidType, invalidValue, missingParameter } from './api-error.ts';

const UPLOAD_PURPOSES = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] as const;
const MIN_LIFE_SECONDS = 3600;
const MAX_LIFE_SECONDS = 30 * 86_400;

export function assertUploadPurpose(purpose: unknown): asserts purpose is string {
  if (purpose === undefined || purpose === null) throw missingParameter('purpose');
  if (typeof purpose !== 'string') throw invalidType('purpose', 'a string', purpose);
  if (!(UPLOAD_PURPOSES as readonly string[]).includes(purpose))
    throw invalidValue('purpose', purpose, UPLOAD_PURPOSES);
}

/** Returns the seconds of `{anchor: "created_at", seconds}` in `expires_after` or `output_expires_after`. */
export function parseExpiresAfter(value: unknown, param: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) throw invalidType(param, 'an object', value);
  const { anchor, seconds } = value as Record<string, unknown>;
  if (anchor === undefined) throw missingParameter(`${param}.anchor`);
  if (anchor !== 'created_at') throw invalidValue(`${param}.anchor`, JSON.stringify(anchor), ['created_at']);
  if (seconds === undefined) throw missingParameter(`${param}.seconds`);
  assertInteger(`${param}.seconds`, seconds, MIN_LIFE_SECONDS, MAX_LIFE_SECONDS);
  return seconds;
}

/** Reads the same from multipart fields named `expires_after[anchor]` and `expires_after[seconds]`. */
export function parseExpiresAfterFields(fields: ReadonlyMap<string, string>): number | undefined {
  const anchor = fields.get('expires_after[anchor]');
  const seconds = fields.get('expires_after[seconds]');
  if (anchor === undefined && seconds === undefined) return undefined;
  if (seconds !== undefined && !/^-?\d+$/.test(seconds))
    throw new ApiError(
      400,
      `Invalid type for 'expires_after.seconds': expected an integer, but got '${seconds}'.`,
      { param: 'expires_after.seconds', code: 'invalid_type' },
    );
  return parseExpiresAfter(
    {
      ...(anchor === undefined ? {} : { anchor }),
      ...(seconds === undefined ? {} : { seconds: Number(seconds) }),
    },
    'expires_after',
  );
}
