import { JsonScanner, type OnMember } from '../../core/json-scan.ts';

/** The position of a member of the body of an uploaded request; null if it has none. */
export function bodyMember(request: Buffer, name: string): readonly [start: number, end: number] | null {
  const scanner = new JsonScanner(request);
  let span: readonly [number, number] | null = null;
  const inBody: OnMember = (keyStart, keyEnd, at) => {
    const end = scanner.scanValue(at, request.length);
    if (scanner.keyIs(keyStart, keyEnd, name)) span = [at, end];
    return end;
  };
  scanner.scanObject(0, request.length, (keyStart, keyEnd, at) =>
    scanner.keyIs(keyStart, keyEnd, 'body')
      ? scanner.scanObject(at, request.length, inBody)
      : scanner.scanValue(at, request.length),
  );
  return span;
}
