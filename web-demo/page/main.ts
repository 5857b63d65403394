/** The page: what is replayed, the list of packets, one packet's path. It only draws what the engine reports. */

import { byId, element } from './element';
import { merge, sort } from './files';
import { GatewayForm } from './gateway';
import { PacketList } from './list';
import { drawPath } from './path';
import type { ExplainReply, Gateway, ReplayReply } from './protocol';
import { SAMPLES } from './samples';
import { Session } from './session';

const picker = byId('files', HTMLInputElement);
const samples = byId('samples', HTMLSelectElement);
const saveButton = byId('save', HTMLButtonElement);
const status = byId('status', HTMLElement);
const error = byId('error', HTMLElement);
const summary = byId('summary', HTMLElement);
const path = byId('path', HTMLElement);
const form = new GatewayForm(byId('gateway-fields', HTMLElement));
const listElement = byId('list', HTMLElement);
const list = new PacketList(
  listElement,
  (from, to) => session?.fetch(from, to),
  (packet) => session?.explain(packet + 1),
);
const hint = [...path.childNodes];

let capture: { name: string; bytes: Blob } | null = null;
let session: Session | null = null;

/** Replays the capture through the gateway that the form shows. */
function replay(): void {
  if (!capture) {
    fail('there is no capture yet: open one, or choose a sample');
    return;
  }
  const gateway = form.read();
  session?.end();
  list.clear();
  path.replaceChildren(...hint);
  summary.hidden = true;
  error.hidden = true;
  saveButton.disabled = true;
  byId('gateway-name', HTMLElement).textContent = nameOf(gateway);
  listElement.setAttribute('aria-busy', 'true');
  status.textContent = `Replaying ${capture.name}…`;
  session = new Session({ capture: capture.bytes, gateway }, { onReplay, onExplained });
}

function onReplay(reply: ReplayReply): void {
  switch (reply.kind) {
    case 'progress': {
      list.grow(reply.packets);
      const share = Math.floor((100 * reply.bytes) / Math.max(capture?.bytes.size ?? 1, 1));
      status.textContent = `Replaying ${capture?.name}: ${reply.packets.toLocaleString('en')} packets, ${share} %`;
      break;
    }
    case 'done':
      summary.textContent = reply.summary;
      summary.hidden = false;
      finish(reply.packets);
      break;
    case 'failed':
      finish(reply.packets);
      fail(reply.message);
      break;
    case 'lines':
      list.arrived(reply.from, reply.lines);
      break;
    case 'saved':
      download(reply.records, `${capture?.name ?? 'capture'}.jsonl`);
      break;
  }
}

function finish(packets: number): void {
  list.grow(packets);
  saveButton.disabled = packets === 0;
  status.textContent = `${capture?.name}: ${packets.toLocaleString('en')} packets`;
  listElement.setAttribute('aria-busy', 'false');
}

function onExplained(reply: ExplainReply): void {
  if (reply.kind === 'explained') {
    drawPath(path, reply.line);
  } else {
    path.replaceChildren(element('p', { class: 'error' }, reply.message));
  }
}

function fail(message: string): void {
  error.textContent = message;
  error.hidden = false;
}

function nameOf(gateway: Gateway): string {
  const names = [...(gateway.config ? [gateway.config.name] : []), ...gateway.rules.map((file) => file.name)];
  return names.length > 0 ? names.join(', ') : 'transparent';
}

/** Takes files: a capture is replayed, rules and configuration change the gateway. */
async function take(files: Iterable<File>): Promise<void> {
  const found = await sort(files);
  if (found.config || found.rules.length > 0) {
    form.show(merge(form.read(), found));
    byId('gateway-name', HTMLElement).textContent = nameOf(form.read());
  }
  if (found.capture) {
    capture = { name: found.capture.name, bytes: found.capture };
    // What was chosen there is not what is shown any more.
    samples.value = '';
  }
  if (capture) {
    replay();
  } else {
    error.hidden = true;
    status.textContent = 'The gateway is there; now open a capture, or choose a sample.';
  }
}

async function takeSample(file: string): Promise<void> {
  const sample = SAMPLES.find((known) => known.file === file);
  if (sample) {
    const response = await fetch(sample.url);
    if (!response.ok) {
      throw new Error(`the sample ${file} is not where it should be: ${response.status} ${response.statusText}`);
    }
    capture = { name: file, bytes: await response.blob() };
    replay();
  }
}

function download(bytes: Blob, name: string): void {
  const url = URL.createObjectURL(bytes);
  element('a', { href: url, download: name }).click();
  // The download has its own hold on the bytes once it has begun.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Runs what may fail; a failure is shown. */
function attempt(action: () => Promise<void>): void {
  action().catch((reason: unknown) => fail(reason instanceof Error ? reason.message : String(reason)));
}

samples.append(...SAMPLES.map(({ file, shows }) => element('option', { value: file }, `${file}: ${shows}`)));
samples.addEventListener('change', () => attempt(() => takeSample(samples.value)));
byId('open', HTMLButtonElement).addEventListener('click', () => picker.click());
picker.addEventListener('change', () => {
  const files = [...(picker.files ?? [])];
  // The same file picked again is picked, too.
  picker.value = '';
  attempt(() => take(files));
});
byId('replay', HTMLButtonElement).addEventListener('click', replay);
saveButton.addEventListener('click', () => session?.save());
addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('dropping');
});
addEventListener('dragleave', () => document.body.classList.remove('dropping'));
addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  const files = [...(event.dataTransfer?.files ?? [])];
  attempt(() => take(files));
});
