'use strict';
// Plots of numbers, with uPlot. Colours are those of the printed figures.
const BLUE = '#0072b2', VERMILION = '#d55e00', GREEN = '#009e73', GREY = '#6e6e6e', ORANGE = '#e69f00', PURPLE = '#cc79a7';
const LOOKS = { network: BLUE, ratio: BLUE, unbinned: GREEN, template: VERMILION, moments: ORANGE };
const WORDS = { ratio: 'learned ratios', unbinned: 'unbinned 4D fit', template: 'template fit', moments: 'angular moments', network: 'network' };

function points(label, stroke, open) {
  return { label, stroke, width: 0, paths: () => null, value: shown,
    points: { show: true, size: 8, width: 2, stroke, fill: open ? '#fff' : stroke } };
}
function curve(label, stroke, dash) {
  return { label, stroke, width: 2, dash, value: shown, points: { show: false }, spanGaps: true };
}
// Powers of ten where decimals would take too many places.
function tick(x) {
  if (x === null || x === undefined) return '';
  if (x === 0 || (Math.abs(x) >= 1e-3 && Math.abs(x) < 1e6)) return Number(x.toPrecision(3)).toString().replace('-', '−');
  const power = Math.floor(Math.log10(Math.abs(x)) + 1e-9), digits = Number((x / 10 ** power).toPrecision(2));
  const above = [...String(power)].map((c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[c])).join('');
  return `${digits === 1 ? '' : `${digits}·`.replace('-', '−')}10${above}`;
}
function shown(_, x) { return x === null || x === undefined ? '' : Number(x.toPrecision(4)).toString(); }

function plot(id, series, data, options) {
  const place = document.getElementById(id);
  place.textContent = '';
  const axis = (label, scale) => ({ label, scale, font: '13px sans-serif', labelFont: '15px sans-serif', labelSize: 34,
    values: (u, all) => all.map(tick), size: scale === 'x' ? 46 : 66, grid: { stroke: '#e4e4e4', width: 1 }, ticks: { stroke: '#999' } });
  const all = {
    width: Math.max(320, place.clientWidth), height: 380,
    scales: Object.assign({ x: { time: false } }, options.scales),
    axes: [axis(options.x, 'x'), axis(options.y, 'y')].concat(options.axes || []),
    series: [{ label: options.x, value: shown }].concat(series),
    hooks: options.hooks || {}, legend: { live: true },
  };
  const drawn = new uPlot(all, data, place);
  new ResizeObserver(() => {
    const width = Math.max(320, place.clientWidth);
    if (Math.abs(width - drawn.width) > 1) drawn.setSize({ width, height: 380 });
  }).observe(place);
  return drawn;
}

// Vertical bars behind the markers: [x, low, high, colour].
function bars(list) {
  return (u) => {
    const c = u.ctx;
    c.save();
    c.beginPath();
    c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    c.clip();
    c.lineWidth = 1.5 * devicePixelRatio;
    for (const [x, low, high, colour] of list) {
      const at = u.valToPos(x, 'x', true);
      c.strokeStyle = colour;
      c.beginPath();
      c.moveTo(at, u.valToPos(low, 'y', true));
      c.lineTo(at, u.valToPos(high, 'y', true));
      c.stroke();
    }
    c.restore();
  };
}

function padded(low, high) { const free = 0.06 * (high - low || 1); return [low - free, high + free]; }

function linearity(data) {
  const bias = document.getElementById('show-bias').checked, mean = document.getElementById('show-mean').checked;
  const all = data.ensembles, xs = all.map((e) => e.truth);
  const of = (e) => (bias ? e.mean - e.truth : e.mean);
  const colour = (e) => (e.trained ? BLUE : VERMILION);
  const list = all.map((e) => {
    const by = mean ? 1 / Math.sqrt(e.n_images) : 1;
    return [e.truth, of(e) - by * e.sigma_left, of(e) + by * e.sigma_right, colour(e)];
  });
  const only = (trained) => all.map((e) => (e.trained === trained ? of(e) : null));
  const s = data.summary;
  const lines = [xs.map((x) => (bias ? 0 : x)), xs.map((x) => s.intercept + s.slope * x - (bias ? x : 0))];
  const ends = list.flatMap((b) => [b[1], b[2]]);
  const y = padded(Math.min(...ends), Math.max(...ends));
  return plot('linearity-plot',
    [curve('prediction = truth', GREY, [6, 5]), curve('fitted line', GREEN),
      ...data.kinds.map(([trained, words]) => points(words, trained ? BLUE : VERMILION, !trained))],
    [xs, lines[0], lines[1], ...data.kinds.map(([trained]) => only(trained))],
    { x: `true ${data.symbol}`, y: bias ? 'mean prediction − truth' : `mean predicted ${data.symbol}`,
      scales: { x: { time: false, range: (u, a, b) => padded(a, b) }, y: { range: () => y } },
      hooks: { draw: [bars(list)] } });
}

function widths(data) {
  const slope = Math.abs(data.summary.slope);
  const rows = new Map();
  const put = (x, i, y) => {
    if (!(y > 0) || !isFinite(y)) return;
    if (!rows.has(x)) rows.set(x, {});
    rows.get(x)[i] = y;
  };
  const series = [curve('information bound', GREEN), curve('always the mean truth', GREY, [6, 5])], list = [];
  // The error of a standard deviation of n numbers.
  const bar = (x, y, n, colour) => { const error = y / Math.sqrt(2 * (Math.max(n, 2) - 1)); list.push([x, y - error, y + error, colour]); };
  for (const [x, y] of data.bound) { put(x, 1, y); put(x, 2, data.summary.baseline_rmse); }
  for (const [trained, words] of data.kinds) {
    const colour = trained ? BLUE : VERMILION;
    series.push(points(`network, ${words}`, colour, !trained));
    for (const e of data.ensembles.filter((e) => e.trained === trained && e.sigma > 0)) {
      put(e.truth, series.length, e.sigma / slope);
      bar(e.truth, e.sigma / slope, e.n_images, colour);
    }
  }
  const others = data.comparison ? data.comparison.estimators : [];
  for (const e of others) {
    series.push(Object.assign(points(`${WORDS[e.name] || e.name}, compared`, LOOKS[e.name] || PURPLE, true)));
    for (const v of e.values) {
      put(v.truth, series.length, v.width_over_slope);
      bar(v.truth, v.width_over_slope, v.images, LOOKS[e.name] || PURPLE);
    }
  }
  const xs = [...rows.keys()].sort((a, b) => a - b);
  const table = [xs].concat(series.map((_, i) => xs.map((x) => rows.get(x)[i + 1] ?? null)));
  return plot('width-plot', series, table, { x: `true ${data.symbol}`, y: `σ / slope of predicted ${data.symbol}`,
    scales: { x: { time: false, range: (u, a, b) => padded(a, b) }, y: { distr: 3 } },
    hooks: { draw: [bars(list)] } });
}

function training(data) {
  const m = data.metrics, of = (f) => m.map((e) => (e[f] > 0 ? e[f] : null));
  const rate = Object.assign(curve('learning rate', GREY, [3, 4]), { scale: 'rate' });
  return plot('training-plot',
    [curve('training loss', BLUE), curve('validation loss', GREEN, [6, 5]), curve('validation MAE', VERMILION), rate],
    [m.map((e) => e.epoch), of('train_loss'), of('validation_loss'), of('validation_mae'), of('learning_rate')],
    { x: 'epoch', y: `loss, error in ${data.symbol}`, scales: { y: { distr: 3 }, rate: { distr: 3 } },
      axes: [{ scale: 'rate', side: 1, label: 'learning rate', grid: { show: false }, values: (u, all) => all.map(tick), size: 66, font: '13px sans-serif',
        labelFont: '15px sans-serif', labelSize: 34 }] });
}
