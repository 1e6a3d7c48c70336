/** An error response of the API: a status and OpenAI's error envelope. */
export class ApiError extends Error {
  readonly status: number;
  readonly param: string | null;
  readonly code: string | null;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the body is an HTML page, as from a gateway, instead of the envelope. */
  readonly html: boolean;

  constructor(status: number, message: string, detail: ApiErrorDetail = {}) {
    super(message);
    this.status = status;
    this.param = detail.param ?? null;
    this.code = detail.code ?? null;
    this.type = detail.type ?? typeOfStatus(status);
    this.headers = detail.headers ?? {};
    this.html = detail.html ?? false;
  }
}

export interface ApiErrorDetail {
  param?: string | null;
  code?: string | null;
  type?: string;
  headers?: Record<string, string>;
  html?: boolean;
}

export interface ErrorEnvelope {
  error: { message: string; type: string; param: string | null; code: string | null };
}

export function toEnvelope(error: ApiError): ErrorEnvelope {
  return { error: { message: error.message, type: error.type, param: error.param, code: error.code } };
}

/** The HTML page of a gateway. */
export function htmlPage(status: number, message: string): string {
  return `<html>\r\n<head><title>${status}</title></head>\r\n<body><center><h1>${message}</h1></center><hr><center>cloudflare</center></body>\r\n</html>\r\n`;
}

export function typeOfStatus(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

export function missingParameter(param: string): ApiError {
  return new ApiError(400, `Missing required parameter: '${param}'.`, {
    param,
    code: 'missing_required_parameter',
  });
}

export function invalidValue(param: string, got: unknown, supported: readonly unknown[]): ApiError {
  const list = supported.map((value) => `'${asText(value)}'`).join(', ');
  return new ApiError(400, `Invalid value: '${asText(got)}'. Supported values are: ${list}.`, {
    param,
    code: 'invalid_value',
  });
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export function invalidType(param: string, expected: string, got: unknown): ApiError {
  return new ApiError(
    400,
    `Invalid type for '${param}': expected ${expected}, but got ${describeJsonType(got)} instead.`,
    { param, code: 'invalid_type' },
  );
}

/** Throws the API's error unless `value` is an integer in its bounds. */
export function assertInteger(
  param: string,
  value: unknown,
  min: number,
  max: number,
): asserts value is number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw invalidType(param, 'an integer', value);
  if (value < min) throw outOfBounds(param, value, 'below minimum', '>=', min, 'integer_below_min_value');
  if (value > max) throw outOfBounds(param, value, 'above maximum', '<=', max, 'integer_above_max_value');
}

function outOfBounds(
  param: string,
  got: number,
  side: string,
  sign: string,
  bound: number,
  code: string,
): ApiError {
  return new ApiError(
    400,
    `Invalid '${param}': integer ${side} value. Expected a value ${sign} ${bound}, but got ${got} instead.`,
    { param, code },
  );
}

/** The same for a number that need not be an integer. */
export function assertDecimal(
  param: string,
  value: unknown,
  min: number,
  max: number,
): asserts value is number {
  if (typeof value !== 'number') throw invalidType(param, 'a decimal', value);
  if (value >= min && value <= max) return;
  const [side, sign, bound] = value < min ? ['below minimum', '>=', min] : ['above maximum', '<=', max];
  throw new ApiError(
    400,
    `Invalid '${param}': decimal ${side} value. Expected a value ${sign} ${bound}, but got ${value} instead.`,
    { param, code: value < min ? 'decimal_below_min_value' : 'decimal_above_max_value' },
  );
}

export function emptyArray(param: string): ApiError {
  return new ApiError(
    400,
    `Invalid '${param}': empty array. Expected an array with minimum length 1, but got an empty array instead.`,
    { param, code: 'empty_array' },
  );
}

export function describeJsonType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'boolean' ? 'a boolean' : `a ${typeof value}`;
}
