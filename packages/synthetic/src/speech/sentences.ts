import { RandomNumbers } from "../random.ts";
import { checkSeed } from "./voice.ts";

/** Seeds from here on give sentences that are held out from training. */
export const FIRST_HELD_OUT_SEED = 1_000_000;

const words = (list: string): readonly string[] => list.trim().split(/\s+/);

const DETERMINERS = words("the the the a my your his her our their this that every some");
const PLACE_DETERMINERS = words("the the my our your that");
const ADJECTIVES =
  words(`big small little old young new good bad great happy sad hot cold warm fast slow
  quiet loud soft hard heavy light dark bright long short tall round red blue green yellow white black
  brown purple golden strange funny clever brave gentle hungry thirsty tired busy empty full fresh sweet
  beautiful wooden favorite smooth foolish perfect wrong`);
const BEINGS =
  words(`cat dog bird fish horse cow sheep mouse bear wolf fox rabbit monkey man woman boy girl
  child baby mother father brother sister friend neighbor teacher doctor farmer singer pilot baker king
  queen person family`);
const THINGS =
  words(`house door window table chair bed flower leaf stone star cloud bread butter cheese
  apple orange soup cake coffee milk sugar breakfast dinner fruit book paper letter story picture song
  voice word video movie computer model machine phone camera radio car bus train boat ship plane wheel box
  bag basket bottle cup spoon hat coat shoe shirt ball game toy bell drum piano treasure vision
  question answer idea problem number color measure vase`);
const PLACES =
  words(`house room kitchen garden bridge street road city town village school church shop
  market office river mountain valley forest tree field beach ocean island water fire zoo world`);
const TRANSITIVE =
  words(`saw heard took brought found lost made built bought sold kept held carried followed
  moved pushed pulled threw caught opened closed washed cleaned painted fixed loved liked wanted needed
  chose remembered forgot felt visited watched showed gave left changed finished used`);
const INTRANSITIVE =
  words(`walked ran jumped talked sang read wrote cooked slept waited stood lived played
  laughed smiled cried danced stopped stayed listened travelled arrived worked dreamed`);
const IMPERATIVES =
  words(`open close move push pull bring take find hold carry wash clean paint fix watch
  show give keep follow draw choose remember measure use change finish put throw catch`);
const ADVERBS =
  words(`now again today tomorrow tonight soon later early quickly slowly loudly softly
  together often always`);
const PREPOSITIONS =
  words(`in on at by near behind under over above below beside through around from into
  with without between before after about`);
const PRONOUNS = words("i you we they he she it");
const AUXILIARIES = words("will would can could should may might must");
const COUNTS = words("two three four five six seven eight nine ten many few some");
const QUESTION_WORDS = words("why where when how");
const OPENERS = words("well yes no hello maybe sorry please today tonight tomorrow yesterday");

/** Words that say nothing on their own: two sentences that differ in these only are one combination. */
const GRAMMAR_WORDS: ReadonlySet<string> = new Set([
  ...DETERMINERS,
  ...PREPOSITIONS,
  ...PRONOUNS,
  ...AUXILIARIES,
  ...words("and but so because the is are was were do does did to of not very too just"),
]);

/**
 * A random sentence of 4 to 18 common words, with punctuation.
 *
 * Training and test never share a sentence: a hash of the sentence's content words (all but articles,
 * prepositions, pronouns and the like) puts a fifth of all combinations aside. Seeds from 1,000,000
 * on give sentences of that fifth only, smaller seeds never do; see {@link isHeldOutSentence}.
 *
 * @param seed integer from 0 to 2^32 - 1
 * @throws LatentSyncError `invalid_argument` for any other seed.
 */
export function createSentence(seed: number): string {
  const isHeldOut = checkSeed(seed) >= FIRST_HELD_OUT_SEED;
  const random = new RandomNumbers(seed ^ 0xa54f_f53a);
  for (;;) {
    const sentence = drawSentence(random);
    if (isHeldOutSentence(sentence) === isHeldOut) return sentence;
  }
}

/** True for sentences that {@link createSentence} gives for seeds from 1,000,000 on. */
export function isHeldOutSentence(sentence: string): boolean {
  const content = sentence
    .toLowerCase()
    .split(/[^a-z']+/)
    .filter((word) => word !== "" && !GRAMMAR_WORDS.has(word));
  return fnv1a(content.join(" ")) % 5 === 0;
}

/** The 32-bit hash of Fowler, Noll and Vo, with a final mix for its low bits. */
function fnv1a(text: string): number {
  let hash = 0x811c_9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}

function drawSentence(random: RandomNumbers): string {
  const opener = random.chance(0.15) ? `${random.pick(OPENERS)}, ` : "";
  const choice = random.next();
  if (choice < 0.15) return capitalize(`${opener}${question(random)}?`);
  if (choice < 0.3) return capitalize(`${opener}${command(random)}.`);
  const first = clause(random);
  if (choice < 0.5) {
    const joint = random.pick([", and", ", but", ", so", " because", ", and then"]);
    return capitalize(`${opener}${first}${joint} ${clause(random)}.`);
  }
  return capitalize(`${opener}${first}.`);
}

function clause(random: RandomNumbers): string {
  const choice = random.next();
  if (choice < 0.4) {
    return `${subject(random)} ${random.pick(TRANSITIVE)} ${object(random)}${ending(random)}`;
  }
  if (choice < 0.65) {
    return `${subject(random)} ${random.pick(INTRANSITIVE)}${ending(random)}`;
  }
  if (choice < 0.85) {
    const verb = `${random.pick(AUXILIARIES)}${random.chance(0.2) ? " not" : ""}`;
    return `${subject(random)} ${verb} ${random.pick(IMPERATIVES)} ${object(random)}${ending(random)}`;
  }
  const degree = random.chance(0.5) ? `${random.pick(["very", "too", "just", "not"])} ` : "";
  return `the ${random.pick([...BEINGS, ...THINGS])} was ${degree}${random.pick(ADJECTIVES)}`;
}

function question(random: RandomNumbers): string {
  const verb = random.pick(["did", "can", "will", "should", "must"]);
  return `${random.pick(QUESTION_WORDS)} ${verb} ${subject(random)} ${random.pick(IMPERATIVES)} ${object(random)}`;
}

function command(random: RandomNumbers): string {
  return `${random.pick(IMPERATIVES)} ${object(random)}${ending(random)}`;
}

function subject(random: RandomNumbers): string {
  return random.chance(0.3) ? random.pick(PRONOUNS) : nounPhrase(random, BEINGS);
}

function object(random: RandomNumbers): string {
  if (random.chance(0.15)) return `${random.pick(COUNTS)} ${plural(random.pick(THINGS))}`;
  return nounPhrase(random, random.chance(0.8) ? THINGS : BEINGS);
}

function nounPhrase(random: RandomNumbers, nouns: readonly string[]): string {
  const determiner = random.pick(DETERMINERS);
  const rest = `${random.chance(0.5) ? `${random.pick(ADJECTIVES)} ` : ""}${random.pick(nouns)}`;
  return `${determiner === "a" && /^[aeiou]/.test(rest) ? "an" : determiner} ${rest}`;
}

function plural(noun: string): string {
  if (/(?:s|x|ch|sh)$/.test(noun)) return `${noun}es`;
  return /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`;
}

function ending(random: RandomNumbers): string {
  const place = `${random.pick(PREPOSITIONS)} ${random.pick(PLACE_DETERMINERS)} ${random.pick(PLACES)}`;
  const choice = random.next();
  if (choice < 0.35) return ` ${place}`;
  return choice < 0.6 ? ` ${random.pick(ADVERBS)}` : "";
}

function capitalize(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
