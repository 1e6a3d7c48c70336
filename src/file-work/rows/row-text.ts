import type { AtomicFileWriter } from '../../files/atomic-file-writer.ts';

const beforeLine = Buffer.from('{"line":');
const beforeId = Buffer.from(',"id":');
const quote = Buffer.from('"');

/** Writes a row up to and including the line's id: the user's, or the line's number as text. */
export function writeRowHead(file: AtomicFileWriter, line: number, id: Uint8Array | null): void {
  file.write(beforeLine);
  file.writeNumber(line);
  file.write(beforeId);
  if (id !== null) {
    file.write(id);
    return;
  }
  file.write(quote);
  file.writeNumber(line);
  file.write(quote);
}

/** The rest of the row of a cancelled line; `batch` is JSON. */
export function cancelledRowTail(attempts: number, batch: string): string {
  return `,"status":"cancelled","attempts":${attempts},"batch_id":${batch},"response":null,"error":{"code":"cancelled","message":"The job was cancelled before this line had an answer."},"usage":null}\n`;
}
