const job = { eval: 1, process: { env: 2 }, require: 3, import: 4, setTimeout: 5, class: 6, constructor: { name: 'job' } };
output = job.eval + job.process.env + job.require + job.import + job.setTimeout + job.class + job.constructor.name.length;
