/** The gateway's texts, for reading and changing. */

import { element } from './element';
import type { Gateway, NamedText } from './protocol';

/** What rules and configuration are called before a file has given them a name. */
const RULES_NAME = 'rules.v4';
const CONFIG_NAME = 'gateway.toml';

export class GatewayForm {
  readonly #fields: HTMLElement;

  /** Draws in `fields`. */
  constructor(fields: HTMLElement) {
    this.#fields = fields;
    this.show({ config: null, rules: [] });
  }

  /** Shows a gateway: a field for each file, and empty ones to write in. */
  show(gateway: Gateway): void {
    const rules = gateway.rules.length > 0 ? gateway.rules : [{ name: RULES_NAME, text: '' }];
    this.#fields.replaceChildren(
      ...rules.map((file) => field('rules', 'Rules, as iptables-save prints them', file)),
      field('config', 'Gateway: interfaces, routes, helpers', gateway.config ?? { name: CONFIG_NAME, text: '' }),
    );
  }

  /** What stands in the fields; empty ones do not count. */
  read(): Gateway {
    const filled = [...this.#fields.querySelectorAll('textarea')].filter((area) => area.value.trim() !== '');
    const named = (kind: string): NamedText[] =>
      filled.filter((area) => area.dataset['kind'] === kind).map((area) => ({ name: area.name, text: area.value }));
    return { config: named('config')[0] ?? null, rules: named('rules') };
  }
}

function field(kind: string, title: string, file: NamedText): HTMLElement {
  const area = element('textarea', { name: file.name, 'data-kind': kind, rows: '8', spellcheck: 'false', wrap: 'off' });
  area.value = file.text;
  return element('label', {}, element('strong', {}, file.name), ` ${title}`, area);
}
