'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const element = (id) => document.getElementById(id);
  linearity(data);
  for (const id of ['show-bias', 'show-mean']) element(id).addEventListener('change', () => linearity(data));
  widths(data);
  training(data);

  const viewers = new Viewers(element('viewers'), data.images.map(unpacked), data.palette, data.symbol);
  const last = viewers.bins - 1;
  const words = () => {
    const { axis, first, last: end } = viewers.cut, [low, high] = axis === 2 ? [-Math.PI, Math.PI] : [-1, 1];
    const edge = (i) => (low + (high - low) * i / viewers.bins).toFixed(2).replace('-', '−');
    element('cut-words').innerHTML = `${edge(first)} ≤ ${NAMES[axis]} &lt; ${edge(end + 1)}`;
  };
  for (const [id, value] of [['cut-first', 0], ['cut-last', last]]) {
    element(id).max = last;
    element(id).value = value;
  }
  const cut = (moved) => {
    let [first, end] = [Number(element('cut-first').value), Number(element('cut-last').value)];
    if (first > end) { if (moved === 'cut-first') { end = first; } else { first = end; } }
    element('cut-first').value = first;
    element('cut-last').value = end;
    const axis = document.querySelector('input[name=cut-axis]:checked').value;
    viewers.cut = { axis: Number(axis), first, last: end };
    words();
    viewers.draw();
  };
  for (const id of ['cut-first', 'cut-last']) element(id).addEventListener('input', () => cut(id));
  for (const radio of document.getElementsByName('cut-axis')) radio.addEventListener('input', () => cut(radio.name));
  element('turn-back').addEventListener('click', () => viewers.home());
  addEventListener('resize', () => viewers.draw());
  words();

  const scale = element('colours').getContext('2d');
  data.palette.forEach(([r, g, b], i) => { scale.fillStyle = `rgb(${r},${g},${b})`; scale.fillRect(i * 256 / data.palette.length, 0, 2, 14); });
  element('colours-words').textContent = `mean q² from ${viewers.low.toFixed(1)} to ${viewers.high.toFixed(1)} GeV²`;

  const csv = (rows) => {
    const names = Object.keys(rows[0]);
    return [names.join(',')].concat(rows.map((row) => names.map((n) => row[n] ?? '').join(','))).join('\n') + '\n';
  };
  const files = [
    ['ensembles.csv', () => csv(data.ensembles)],
    ['predictions.csv', () => csv(data.predictions.flatMap((e) => e.values.map((prediction) => ({ truth: e.truth, prediction }))))],
    ['summary.json', () => JSON.stringify(data.summary, null, 2)],
    ['training.csv', () => csv(data.metrics)],
    ['bound.csv', () => csv(data.bound.map(([truth, sigma]) => ({ truth, sigma })))],
    ['card.toml', () => data.card],
  ];
  if (data.comparison) {
    files.push(['comparison.csv', () => csv(data.comparison.estimators.flatMap((e) => e.values.map((v) => ({ estimator: e.name, ...v }))))]);
    files.push(['comparison.json', () => JSON.stringify(data.comparison, null, 2)]);
  }
  for (const [name, text] of files) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    button.addEventListener('click', () => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([text()], { type: 'text/plain' }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
    element('buttons').append(button);
  }
  requestAnimationFrame(() => requestAnimationFrame(() => { document.documentElement.dataset.ready = Math.round(performance.now()); }));
})();
