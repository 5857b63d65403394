/** The program `towpath`, which the page is compared with; `TOWPATH` names it. */

import { spawnSync } from 'node:child_process';

/** Runs it in a folder: what it printed, as bytes, and what it said was wrong, in a line. */
export function towpath(folder, ...args) {
  const run = spawnSync(process.env.TOWPATH, args, { cwd: folder, maxBuffer: 1 << 30 });
  if (run.error) {
    throw run.error;
  }
  return { code: run.status, output: run.stdout, complaint: run.stderr.toString().trim() };
}

/** What it said was wrong, without what it begins every such line with; null: nothing. */
export function complaintOf(run) {
  return run.code === 0 ? null : run.complaint.replace(/^towpath: (?:[^ ]*\.pcap(?:ng)?(?:\.gz)?: )?/, '');
}
