'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const element = (id) => document.getElementById(id);
  linearity(data);
  for (const id of ['show-bias', 'show-mean']) element(id).addEventListener('change', () => linearity(data));
  widths(data);
  if (data.metrics.length) training(data);
  if (data.images.length) images(data, element);

  const csv = (rows) => {
    const names = Object.keys(rows[0]);
    return [names.join(',')].concat(rows.map((row) => names.map((n) => row[n] ?? '').join(','))).join('\n') + '\n';
  };
  const files = [
    ['ensembles.csv', () => csv(data.ensembles)],
    ['predictions.csv', () => csv(data.predictions.flatMap((e) => e.values.map((prediction) => ({ truth: e.truth, prediction }))))],
    ['summary.json', () => JSON.stringify(data.summary, null, 2)],
    ['bound.csv', () => csv(data.bound.map(([truth, sigma]) => ({ truth, sigma })))],
    ['card.toml', () => data.card],
  ];
  if (data.metrics.length) files.push(['training.csv', () => csv(data.metrics)]);
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
