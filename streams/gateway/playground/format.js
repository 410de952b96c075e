/** Numbers as people read them. */

const price = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat();

export const asPrice = (value) => price.format(value);
export const asCount = (value) => whole.format(value);
export const asShare = (value) => `${Number((100 * value).toPrecision(2))} %`;
/** A rate or a duration with three digits that count. */
export const asShort = (value) => (value >= 100 ? whole.format(Math.round(value)) : String(Number(value.toPrecision(3))));
export const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);
