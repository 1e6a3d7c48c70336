import type { APIError } from 'openai';
import { FailureType } from '../core/failure.ts';
import { isPlainCode } from '../core/plain-code.ts';

/** Returns the failure type of an error response; `code` is the code in it. */
export function failureTypeOf(
  call: string,
  status: number | undefined,
  code: string | null,
  error: APIError,
): FailureType {
  if (status === undefined) return FailureType.ApiTrouble;
  if (code !== null && /insufficient_quota|billing/.test(code)) return FailureType.AccountRefused;
  if (concernsModel(status, error)) return FailureType.RequestRefused;
  if (status === 401 || status === 403 || status === 402) return FailureType.AccountRefused;
  if (code === 'token_limit_exceeded' || (status < 500 && /enqueued token/i.test(error.message)))
    return FailureType.AllowanceExhausted;
  if (isTooLarge(call, status, error)) return FailureType.InputTooLarge;
  if ((status === 400 || status === 404) && /cannot find file|no such file/i.test(error.message))
    return FailureType.InputFileLost;
  // The server has no list; any other 501 may come from a proxy.
  if (status === 501 && call === 'GET /batches') return FailureType.RequestRefused;
  const header = error.headers?.get?.('x-should-retry');
  if (header === 'true') return FailureType.ApiTrouble;
  if (status === 408 || status === 409 || status === 429 || status >= 500) return FailureType.ApiTrouble;
  return FailureType.RequestRefused;
}

const MODEL_CODE = /model|deployment_?not_?found/i;
// "The model `x` does not exist or you do not have access to it", "Project `p` does not have access to model `x`".
const MODEL_TEXT =
  /\bmodels?\b[^;]{0,120}\b(?:not exist|not found|not (?:supported|available|allowed|enabled|permitted))\b|\b(?:access|use|allowed)\b[^;]{0,40}\bmodels?\b/i;

/**
 * True when the refusal concerns one model and not the account: lines of other models can be sent. Some gateways send 401
 * (`key_model_access_denied`); for 401 only the code counts, since a wrong key must pause the job.
 */
function concernsModel(status: number, error: APIError): boolean {
  if (status !== 401 && status !== 403 && status !== 404) return false;
  const { code, type, param } = error as { code?: unknown; type?: unknown; param?: unknown };
  if ([code, type].some((value) => printableCode(value) !== null && MODEL_CODE.test(String(value))))
    return true;
  if (status === 401) return false;
  return (typeof param === 'string' && /(?:^|\.)model$/.test(param)) || MODEL_TEXT.test(error.message);
}

const SIZE_CODE =
  /(?:file|batch|request|payload|body|content|entity)_?(?:is_)?too_?(?:large|big)|too_?many_?(?:tasks|lines|requests_in)|(?:file|batch|request|payload|body|content)_?size_?(?:limit_?)?exceeded|max(?:imum)?_?(?:file|batch|content|payload)_?size/i;
// "File is too large", "Request entity too large", "exceeds the maximum file size of 209715200 bytes", "too many requests in the batch".
const SIZE_TEXT =
  /\b(?:file|batch|body|entity|payload|content|upload|request|input)\b[^;]{0,80}\btoo (?:large|big)\b|\btoo many (?:requests|lines|tasks) in\b|\b(?:max\w*|limit\w*|larger|exceed\w*)\b[^;]{0,60}\b(?:file|batch|body|content|upload|payload) size\b|\b(?:file|batch|body|content|upload|payload) size\b[^;]{0,80}\b(?:exceed\w*|limit|maximum)\b|\bnumber of (?:requests|lines)\b[^;]{0,60}\bexceeds\b/i;

/** True when the server refuses the size of the input: its halves may be accepted. */
function isTooLarge(call: string, status: number, error: APIError): boolean {
  if (!/^POST \/(?:files|uploads|batches$)/.test(call)) return false;
  if (status === 413) return true;
  if (status !== 400 && status !== 422) return false;
  const { code, type } = error as { code?: unknown; type?: unknown };
  return [code, type].some((value) => SIZE_CODE.test(String(value))) || SIZE_TEXT.test(error.message);
}

/** Returns a code, or null if it is not a plain code: other text could quote a prompt. */
export function printableCode(code: unknown): string | null {
  return typeof code === 'string' && isPlainCode(code) ? code : null;
}
