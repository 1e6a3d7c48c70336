import type { LineFault } from '../core/request-line.ts';
import type { LineBuffer } from './line-buffer.ts';
import { imageParts } from './request-body.ts';
import type { RequestTemplate, TemplateImages } from './request-template.ts';
import type { RowColumns } from './row-columns.ts';
import { quoted, type RowWriter } from './text-writer.ts';

/** Reads the file of an image; returns why it cannot, as the end of a sentence about the image. */
export type ReadImage = (path: string) => Buffer | LineFault;

/** Writes the images of a row behind the text of its message: each a comma and a part of the message. */
export function writeImages(
  template: RequestTemplate & { readonly images: TemplateImages },
  columns: readonly string[],
  readImage: ReadImage,
): RowWriter {
  const name = template.images.column;
  const column = columns.indexOf(name);
  const [before, after] = imageParts(template);
  const fault = ({ reason, advice }: LineFault): LineFault => ({
    reason: `names an image in column ${quoted(name)} that ${reason}`,
    advice,
  });
  return (row: RowColumns, line: LineBuffer) => {
    const value = JSON.parse(row.json(column)) as unknown;
    for (const image of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (image === null || image === '') continue;
      if (typeof image !== 'string')
        return fault({ reason: 'is not a text', advice: 'use URLs, or paths of files, or lists of them' });
      const url = urlOf(image, readImage);
      if (typeof url !== 'string') return fault(url);
      line.write(before);
      line.write(JSON.stringify(url));
      line.write(after);
    }
    return null;
  };
}

function urlOf(image: string, readImage: ReadImage): string | LineFault {
  if (/^(https?:\/\/|data:)/i.test(image)) return image;
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(image))
    return { reason: 'has a URL that the API cannot load', advice: 'use https, or the path of a file' };
  const bytes = readImage(image);
  if (!Buffer.isBuffer(bytes)) return bytes;
  const type = typeOf(bytes);
  if (type === null) return { reason: 'is not PNG, JPEG, GIF or WebP', advice: 'convert it' };
  return `data:${type};base64,${bytes.toString('base64')}`;
}

/** The media type of an image, by its first bytes; the API accepts only these. */
function typeOf(bytes: Buffer): string | null {
  const text = bytes.toString('latin1', 0, 12);
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (text.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (/^GIF8[79]a/.test(text)) return 'image/gif';
  if (/^RIFF.{4}WEBP$/s.test(text)) return 'image/webp';
  return null;
}
