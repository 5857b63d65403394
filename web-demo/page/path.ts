/** Draws one packet's path: hook by hook what was decided and why, what came out and what was told. */

import { element } from './element';
import { parse, type Output, type PacketEvent, type PacketRecord, type Rule, type Step } from './record';

/** Missed rules in a row that are shown at once; more are folded up. */
const MISSES_SHOWN = 3;

/** A part of the way: a hook, a routing decision, or what is before the first hook. */
interface Section {
  title: string;
  packet: string | null;
  steps: Step[];
}

/** Draws a packet's line, as the explaining worker gives it, into `panel`. */
export function drawPath(panel: HTMLElement, line: string): void {
  const record = parse(line);
  panel.replaceChildren(
    element('h2', {}, `Packet ${record.n}`),
    facts(record),
    element('ol', { class: 'way' }, ...sections(record.path).map(drawSection)),
    ...listed('Came out', record.out.map(drawOutput)),
    ...listed('Events', record.events.map(drawEvent)),
  );
}

function facts(record: PacketRecord): HTMLElement {
  const verdict = record.reason === null ? record.verdict : `${record.verdict}: ${record.reason}`;
  const state = record.dir === null ? record.state : `${record.state ?? ''} ${record.dir}`;
  const known: [string, string | Node | null | undefined][] = [
    ['Packet', record.pkt && element('code', {}, record.pkt)],
    ['Captured as', record.was && element('code', {}, record.was)],
    ['In by', record.dev],
    ['State', state],
    ['Verdict', element('strong', { 'data-verdict': record.verdict }, verdict)],
    ['Rule', record.rule && drawRule(record.rule)],
    ['Note', record.unknown ? 'its connection began before the capture: it was fed in as it is' : null],
  ];
  const list = element('dl', { class: 'facts' });
  for (const [name, value] of known) {
    if (value) {
      list.append(element('dt', {}, name), element('dd', {}, value));
    }
  }
  return list;
}

/** Cuts a path where a hook or a routing decision begins. */
function sections(path: Step[]): Section[] {
  const all: Section[] = [];
  for (const step of path) {
    if (step.step === 'hook') {
      all.push({ title: step.hook, packet: step.pkt, steps: [] });
    } else if (step.step === 'routed') {
      all.push({ title: 'Routing', packet: `out by ${step.dev ?? '?'}`, steps: [] });
    } else if (step.step === 'local') {
      all.push({ title: 'Routing', packet: 'to this host', steps: [] });
    } else {
      const last = all.at(-1) ?? { title: 'Arrival', packet: null, steps: [] };
      if (all.length === 0) {
        all.push(last);
      }
      last.steps.push(step);
    }
  }
  return all;
}

function drawSection(section: Section): HTMLElement {
  const packet = section.packet === null ? [] : [element('code', {}, section.packet)];
  const heading = element('h3', {}, section.title);
  const steps = element('ul', { class: 'steps' });
  for (let at = 0; at < section.steps.length; ) {
    const misses = missesAt(section.steps, at);
    if (misses > MISSES_SHOWN) {
      steps.append(element('li', { 'data-step': 'missed' }, fold(section.steps.slice(at, at + misses))));
      at += misses;
    } else {
      steps.append(drawStep(section.steps[at]!));
      at += 1;
    }
  }
  return element('li', { class: 'section' }, heading, ...packet, steps);
}

function missesAt(steps: Step[], from: number): number {
  const other = steps.findIndex((step, at) => at >= from && step.step !== 'missed');
  return (other < 0 ? steps.length : other) - from;
}

function fold(steps: Step[]): HTMLElement {
  const summary = element('summary', {}, `${steps.length} rules did not match`);
  return element('details', {}, summary, element('ul', { class: 'steps' }, ...steps.map(drawStep)));
}

function drawStep(step: Step): HTMLElement {
  const kind = element('span', { class: 'kind' }, step.step);
  return element('li', { 'data-step': step.step }, kind, element('span', {}, ...wordsOf(step)));
}

function wordsOf(step: Step): (Node | string)[] {
  switch (step.step) {
    case 'hook':
      return [step.hook];
    case 'conntrack':
      return [element('strong', {}, [step.state, step.dir].filter(Boolean).join(' ') || '–'), ' ', step.why];
    case 'missed':
      return [step.rule ? drawRule(step.rule) : '', ` ${step.part ?? ''}: the packet ${step.why}`];
    case 'matched':
      return [step.rule ? drawRule(step.rule) : ''];
    case 'policy':
      return [`policy of ${step.chain} in ${step.table}: `, element('strong', {}, step.policy)];
    case 'zone':
      return [`${step.id}`, step.dir ? ` of the ${step.dir.toLowerCase()} direction` : ''];
    case 'admission':
      return [`${step.enters ? 'to' : 'kept out of'} `, element('code', {}, step.inside), ', whose endpoint outside this is'];
    case 'translated':
      return [`${step.end} `, element('code', {}, step.from), ' is now ', element('code', {}, step.to)];
    case 'local':
      return ['to this host'];
    case 'routed':
      return [`out by ${step.dev ?? '?'}`];
    case 'helper':
      return [step.text];
    case 'options':
      return [`${step.header}: ${step.why}`];
    case 'waits':
      return ['for segments that continue it'];
    case 'joined':
      return ['into the packet before it that it continues'];
    case 'released':
      return ['before it, what was held: ', element('code', {}, step.pkt)];
    case 'dropped':
      return [element('strong', {}, step.reason), ` ${step.meaning}`];
  }
}

function drawRule(rule: Rule): HTMLElement {
  const place = element('span', { class: 'place' }, `${rule.file}:${rule.line}`);
  return element('span', { class: 'rule' }, place, ` ${rule.table} `, element('code', {}, rule.text));
}

function drawOutput(output: Output): HTMLElement {
  const dev = element('span', { class: 'kind' }, output.dev ?? '?');
  return element('li', {}, dev, element('span', {}, element('code', {}, output.pkt), ` ${output.len} bytes`));
}

function drawEvent({ event, ...fields }: PacketEvent): HTMLElement {
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${plain(value)}`);
  return element('li', {}, element('span', {}, element('strong', {}, event), ' ', element('code', {}, shown.join(' '))));
}

/** A field's value: one end and the other of a connection as packets are told, lists with commas, the rest as JSON. */
function plain(value: unknown): string {
  if (typeof value === 'string') {
    return value;
  }
  if (Array.isArray(value)) {
    return `[${value.map(plain).join(',')}]`;
  }
  return isTuple(value) ? tupleInWords(value) : JSON.stringify(value);
}

/** A connection in one direction. */
interface Tuple {
  src: string;
  dst: string;
  proto: string;
  sport?: number;
  dport?: number;
}

function isTuple(value: unknown): value is Tuple {
  return typeof value === 'object' && value !== null && 'src' in value && 'dst' in value && 'proto' in value;
}

function tupleInWords({ src, dst, proto, sport, dport, ...others }: Tuple): string {
  const end = (address: string, port: number | undefined): string => {
    const shown = address.includes(':') && port !== undefined ? `[${address}]` : address;
    return port === undefined ? address : `${shown}:${port}`;
  };
  const rest = Object.entries(others).map(([name, value]) => ` ${name} ${plain(value)}`);
  return `(${end(src, sport)} > ${end(dst, dport)} ${proto}${rest.join('')})`;
}

function listed(title: string, items: HTMLElement[]): HTMLElement[] {
  return items.length === 0 ? [] : [element('h3', {}, title), element('ul', { class: 'steps' }, ...items)];
}
