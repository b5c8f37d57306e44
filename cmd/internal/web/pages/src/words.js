// What a hit means, in words. The order of the sentence is always: who, did what, to whom, how it ended.
import { clean } from './dom.js';
import { count, now, num } from './format.js';

const kinds = {
  c2: 'a command server',
  malware: 'a malware server',
  botnet: 'a botnet server',
  phishing: 'a phishing site',
  scanner: 'a known scanner',
  bruteforce: 'a password guesser',
  spam: 'a spam source',
  anonymizer: 'an anonymizer',
  ddos: 'a DDoS source',
  policy: 'an address on your own list',
  other: 'a listed address',
};
const many = {
  c2: 'command servers',
  malware: 'malware servers',
  botnet: 'botnet servers',
  scanner: 'known scanners',
  bruteforce: 'password guessers',
  spam: 'spam sources',
  ddos: 'DDoS sources',
};
const cap = (x) => x[0].toUpperCase() + x.slice(1);
const from = (x) => x.dir === 'inbound' || x.dir === 'transit';

/** A name within a sentence: short, and whatever its direction of writing it turns nothing around it. */
export function name(text) {
  const t = clean(text, 40);
  return /^[ -~]*$/.test(t) ? t : `\u2068${t}\u2069`;
}
export const who = (x) => (x.local_host ? name(x.local_host.split('.')[0]) : x.local);
const ported = ['tcp', 'udp', 'sctp', 'udplite', 'dccp'];
export const port = (x) => (x.dport >= 0 && ported.includes(x.proto) ? ':' + x.dport : '');
const onPort = (x) => (port(x) ? `, port ${x.dport}` : '');

export function title(x) {
  const it = kinds[x.cat] || kinds.other;
  const [sources, targets] = [x.sources || 1, x.targets || 1];
  if (sources > 1 || targets > 1) {
    const whom = targets > 1 ? count(targets, 'address', 'addresses') : x.dst;
    if (from(x)) {
      const they = sources > 1 ? `${count(sources, '', '').trim()} ${many[x.cat] || 'listed addresses'}` : cap(it);
      return `${they} tried to reach ${whom}${onPort(x)}`;
    }
    return `${sources > 1 ? count(sources, 'host') : who(x)} called ${targets > 1 ? count(targets, 'listed address', 'listed addresses') : it}${onPort(x)}`;
  }
  if (from(x)) {
    const how = { established: 'got an answer from', attempt: 'tried to reach' }[x.state] || 'sent something to';
    return `${cap(it)} ${how} ${who(x)}${onPort(x)}`;
  }
  if (x.kind === 'retro') return `${who(x)} called ${it}; the list came later`;
  if (x.state === 'established') return `${who(x)} calls ${it} and is answered`;
  if (x.state === 'attempt') return `${who(x)} tries to reach ${it}; no answer seen`;
  return `${who(x)} sends to ${it}; it is not known whether it answers`;
}

const infected = ['c2', 'malware', 'botnet'];
const small = ['No', 'One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine'];
export const word = (n) => small[n] ?? num(n);

/** What hosts with critical hits have in common. all: their series, of the last 24 hours. */
export function critical(hosts, all) {
  const one = hosts === 1;
  const whom = [...new Set(all.map((x) => x.cat))];
  if (!all.length || !all.every((x) => !from(x) && x.kind !== 'retro' && infected.includes(x.cat)))
    return `${word(hosts)} of your hosts ${one ? 'needs' : 'need'} you now.`;
  const it = all.length === 1 ? kinds[whom[0]] : whom.map((c) => many[c]).join(' and ').replace(' and ', whom.length > 2 ? ', ' : ' and ');
  const answered = all.every((x) => x.state === 'established');
  const recent = all.every((x) => now() - new Date(x.last) < 36e5);
  const verb = answered ? ['talk', 'talked'] : ['call', 'called'];
  const did = recent ? verb[0] + (one ? 's' : '') : verb[1];
  return `${word(hosts)} of your hosts ${did}${answered ? ' to' : ''} ${it} ${recent ? 'now' : 'within 24 hours'}.`;
}

/** What to do next: [what, why or how]. The first is the one next step. */
export function steps(x) {
  const me = who(x);
  const bad = infected.includes(x.cat);
  const host = me === x.local ? me : `${me} (${x.local})`;
  if (from(x)) {
    if (x.state !== 'established') return [['Nothing: this is normal background noise of the Internet', '']];
    return [
      [
        `Look into the log of ${host} for a login from ${x.remote}`,
        'A login that worked: treat the host as taken over.',
      ],
      [`Ask whether ${port(x) ? 'port ' + x.dport : 'the service'} should be open to the world`, ''],
      ['Block the address at the firewall', 'flowhound export nftables makes a list of all.'],
    ];
  }
  if (bad && x.state === 'established')
    return [
      [`Isolate ${host} from the network`, 'Leave it switched on: memory is evidence.'],
      ['Read the reference and look for the malware it describes', ''],
      ['After cleaning, watch for repeats', 'Rules 100906 and 100907 fire when the host calls again.'],
    ];
  if (bad)
    return [
      [`Find ${host} and look for the program that connects`, 'A block at the firewall does not remove the cause.'],
      ['Read the reference', ''],
    ];
  if (x.cat === 'phishing')
    return [[`Ask the user of ${host} what was typed there`, 'Change the password that was typed.']];
  return [[`Ask whether ${host} may do this`, 'If it may: mute it, with a date and a reason.']];
}

export const sure = (score) => (score >= 80 ? 'very sure' : score >= 50 ? 'fairly sure' : 'not sure');

/** Why a hit has its severity, in two or three sentences. */
export function why(x, table) {
  const out = [`${cap(kinds[x.cat] || kinds.other)}, and the lists are ${sure(x.score)} (score ${x.score} of 100).`];
  const ends = {
    established: from(x) ? ' and was answered: data went both ways.' : ' and was answered.',
    attempt: '; no answer was seen.',
  };
  const end = ends[x.state] || '; it is not known whether it was answered.';
  out.push(from(x) ? `It came from outside${end}` : `Your host opened the connection${end}`);
  if (!table.plain) out.push('Other facts about the address, or the volume, changed the severity from the table.');
  return out.join(' ');
}
