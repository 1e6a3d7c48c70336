import { randomBytes } from 'node:crypto';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * Ids are random even with a fixed seed: if two emulators with the same seed created the same ids, a client with an id of the
 * first would find an unrelated object in the second.
 */
export function newFileId(): string {
  return `file-${base62(22)}`;
}

export function newBatchId(): string {
  return `batch_${hex(16)}`;
}

export function newUploadId(): string {
  return `upload_${hex(16)}`;
}

export function newPartId(): string {
  return `part_${hex(16)}`;
}

export function newRequestId(): string {
  return `req_${hex(16)}`;
}

/** The id of an event. */
export function newEventId(): string {
  return `evt_${hex(16)}`;
}

/** The id of an event's delivery, `webhook-id`. */
export function newDeliveryId(): string {
  return `wh_${hex(16)}`;
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

function base62(length: number): string {
  let text = '';
  for (const byte of randomBytes(length)) text += BASE62[byte % 62];
  return text;
}
