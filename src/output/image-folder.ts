import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { withWorkingFolder } from '../files/working-folder.ts';
import { outputFiles } from './output-files.ts';
import { OutputFormat, outputFormatOf } from './output-format.ts';

/*
 * The images of a job as files: beside a table `a.parquet` in the folder `a.images`, in a folder of results in its folder `images`. The folder
 * has the mark of its job.
 */

/** The folder of the images of results at a path. */
export function imageFolderOf(path: string): string {
  if (outputFormatOf(path) === OutputFormat.Folder) return join(path, 'images');
  return path.replace(/\.[^./\\]+$/, '.images');
}

/** An image to write, by the name of its file. */
export interface ImageFile {
  readonly name: string;
  readonly base64: string;
}

/** Images that are written to a working folder, from where the whole folder gets its name. */
export class ImageFolder {
  /** The name of the folder. */
  readonly name: string;
  private readonly target: string;
  private readonly working: string;
  private readonly job: string;

  /** `results` is the path of the results, and `working` a folder for the images until they are complete. */
  constructor(results: string, working: string, job: string) {
    this.target = imageFolderOf(results);
    this.name = basename(this.target);
    this.working = join(working, 'images');
    this.job = job;
  }

  async open(): Promise<void> {
    await mkdir(this.working);
    await writeFile(join(this.working, outputFiles.mark), this.job);
  }

  async write({ name, base64 }: ImageFile): Promise<void> {
    await writeFile(join(this.working, name), Buffer.from(base64, 'base64'), { flag: 'wx', flush: true });
  }

  /**
   * Gives the folder its name, in place of that of an earlier call, which is moved away as a whole: a folder in which something is deleted
   * could lose its mark first. A process that dies in between leaves no folder of that name; the next call writes it.
   * @throws BatchError `bad_output`
   */
  async publish(): Promise<void> {
    for (let n = 0; ; n += 1) {
      await checkImageFolder(this.target, this.job);
      await rename(this.target, `${this.working}-${n}`).catch(ignoreMissing);
      try {
        await rename(this.working, this.target);
        return;
      } catch (error) {
        // Another process of the job was faster.
        if (!isTaken(error as NodeJS.ErrnoException)) throw error;
      }
    }
  }
}

function isTaken({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOTEMPTY' || code === 'EEXIST';
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/**
 * Checks that a folder can take the images of a job: it does not exist, or is that of the same job.
 * @throws BatchError `bad_output`
 */
export async function checkImageFolder(folder: string, job: string): Promise<void> {
  const owner = await markOf(folder);
  if (owner === undefined || owner === job) return;
  const what = owner === null ? 'exists' : `holds the images of job ${owner}`;
  throw new BatchError(
    ErrorCode.BadOutput,
    `${folder} ${what}, and is the folder for the images of the results: move it away, or choose another name for the results.`,
    { details: { file: folder } },
  );
}

/** Removes the images of a job, as a whole; leaves any other folder. */
export async function removeOwnImages(folder: string, job: string): Promise<void> {
  const owner = await readFile(join(folder, outputFiles.mark), 'utf8').catch(() => null);
  if (owner !== job) return;
  const target = resolve(folder);
  await withWorkingFolder(
    dirname(target),
    async (working) => await rename(target, join(working, 'images')).catch(ignoreMissing),
    `${basename(target)}.`,
  );
}

/** Another process of the job may just be replacing the folder: so many readings are made before a folder counts as one without a mark. */
const READINGS = 10;
const BETWEEN_READINGS_MS = 20;

/** The job whose images a folder has; null for a folder without a mark, and undefined if there is no folder. */
async function markOf(folder: string): Promise<string | null | undefined> {
  for (let reading = 1; ; reading += 1) {
    const mark = await readFile(join(folder, outputFiles.mark), 'utf8').catch(() => null);
    if (mark !== null) return mark;
    if ((await stat(folder).catch(() => null)) === null) return undefined;
    if (reading === READINGS) return null;
    await delay(BETWEEN_READINGS_MS);
  }
}
