import { existsSync, mkdtempSync, openAsBlob, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { compileEmulator, spawnEmulator } from '../support/emulator-process.ts';
import type { CompiledEmulator } from '../support/emulator-process.ts';
import { chatLine, clientOf, jsonl, untilEnded, upload } from '../support/emulator-under-test.ts';

let compiled: CompiledEmulator;
beforeAll(() => {
  compiled = compileEmulator();
});
afterAll(() => compiled.remove());

const CREATE = { endpoint: '/v1/chat/completions', completion_window: '24h' } as const;

describe('the emulator at full size', () => {
  it('answers 50,000 small lines in five batches, and status reads meanwhile', async () => {
    const emulator = await spawnEmulator(compiled, {});
    const client = clientOf(emulator.url);
    const contents = Array.from({ length: 5 }, (_, batch) =>
      jsonl(
        Array.from({ length: 10_000 }, (_, i) =>
          chatLine(`r${batch}-${i}`, `please say a word about number ${i}`),
        ),
      ),
    );
    const startedAt = performance.now();
    const ids = await Promise.all(
      contents.map(async (content) => {
        const input_file_id = await upload(client, content);
        return (await client.batches.create({ ...CREATE, input_file_id })).id;
      }),
    );
    let slowestReadMs = 0;
    for (let ended = 0; ended < ids.length;) {
      const readAt = performance.now();
      const batches = await Promise.all(ids.map((id) => client.batches.retrieve(id)));
      slowestReadMs = Math.max(slowestReadMs, performance.now() - readAt);
      ended = batches.filter((batch) => batch.status === 'completed').length;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const took = Math.round(performance.now() - startedAt);
    console.log(
      `50,000 lines uploaded, validated and answered in ${took} ms; slowest status read ${Math.round(slowestReadMs)} ms`,
    );
    const ledger = (await (await fetch(`${emulator.adminUrl}/ledger`)).json()) as object;
    expect(ledger).toMatchObject({ lines: 50_000, paid: 50_000, lines_paid_once: 50_000, batches_unread: 5 });
    expect(slowestReadMs).toBeLessThan(2_000);
  });

  // The peak memory of another process is read from /proc, which only Linux has.
  it.runIf(existsSync('/proc/self/status'))(
    'uploads, runs and downloads 200 MB without holding them in memory',
    async () => {
      const emulator = await spawnEmulator(compiled, {});
      const client = clientOf(emulator.url).withOptions({ timeout: 60_000 });
      const folder = mkdtempSync(join(tmpdir(), 'emulator-scale-'));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const path = join(folder, 'large.jsonl');
      const text = 'a long prompt '.repeat(1400);
      const lines = Array.from({ length: 500 }, (_, i) => chatLine(`line-${i}`, text));
      for (let i = 0; i < 20; i++) {
        const renamed = lines.map((line) => ({ ...line, custom_id: `${line.custom_id}-${i}` }));
        writeFileSync(path, jsonl(renamed), { flag: 'a' });
      }

      const file = await client.files.create({
        file: new File([await openAsBlob(path)], 'large.jsonl'),
        purpose: 'batch',
      });
      expect(file.bytes).toBeGreaterThan(195_000_000);
      const afterUpload = emulator.peakBytes();
      const { id } = await client.batches.create({ ...CREATE, input_file_id: file.id });
      const batch = await untilEnded(client, id);
      expect(batch.request_counts).toEqual({ total: 10_000, completed: 10_000, failed: 0 });
      const afterRun = emulator.peakBytes();
      const content = await client.files.content(batch.output_file_id as string);
      let bytes = 0;
      for await (const chunk of content.body as ReadableStream<Uint8Array>) bytes += chunk.length;
      expect(bytes).toBe(Number(content.headers.get('content-length')));
      const mb = (size: number): number => Math.round(size / 1e6);
      console.log(
        `peak memory: ${mb(afterUpload)} MB after the upload, ${mb(afterRun)} MB after the run, ${mb(emulator.peakBytes())} MB after the download`,
      );
      expect(emulator.peakBytes()).toBeLessThan(400e6);
    },
  );
});
