import { objectOf, type AnswerSource } from './answers.ts';

/** An image of an answer: its bytes, or where the API keeps it. */
export type AnswerImage = ImageBytes | ImageAddress;

/** An image in the answer. */
export interface ImageBytes {
  /** Its bytes in base64. */
  readonly base64: string;
  /** By its first bytes. */
  readonly format: ImageFormat;
}

/** An image at the API. */
export interface ImageAddress {
  /** Valid for an hour after the answer was made: <https://developers.openai.com/api/reference/resources/images>. */
  readonly url: string;
}

/** The formats of images, as the ending of a file; `bin` for one that is not known. */
export type ImageFormat = 'png' | 'jpeg' | 'webp' | 'bin';

/** The first characters of images in base64. */
const beginnings: readonly (readonly [beginning: string, format: ImageFormat])[] = [
  ['iVBORw0KGg', 'png'],
  ['/9j/', 'jpeg'],
  ['UklGR', 'webp'],
];

/** The images of an answer of `/v1/images/generations` or `/v1/images/edits`, in order; null for other rows. */
export function answerImages({ response }: AnswerSource): AnswerImage[] | null {
  const items = objectOf(response)?.['data'];
  if (!Array.isArray(items) || items.length === 0) return null;
  const images = items.map(imageOf);
  return images.every((image) => image !== null) ? images : null;
}

function imageOf(item: unknown): AnswerImage | null {
  const { b64_json: base64, url } = objectOf(item) ?? {};
  if (typeof base64 === 'string' && base64 !== '') return { base64, format: formatOf(base64) };
  return typeof url === 'string' && url !== '' ? { url } : null;
}

function formatOf(base64: string): ImageFormat {
  return beginnings.find(([beginning]) => base64.startsWith(beginning))?.[1] ?? 'bin';
}
