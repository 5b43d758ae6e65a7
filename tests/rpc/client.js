// What a user of examples/psij_client.js does. Arguments: the client's file, the executor, a directory, the command.
const assert = require('node:assert')
const [file, executor, directory, ...command] = process.argv.slice(2)
const { PsijClient } = require(file)

async function main () {
  const psij = new PsijClient(command)
  const seen = []
  const job = await psij.submit(
    executor,
    { executable: '/bin/sh', arguments: ['-c', 'echo "$1"; exit 3', 'sh', 'a b "c"'], directory, stdout_path: 'out' },
    (_, status) => seen.push(status.state)
  )
  const end = await job.ended
  const sleeper = await psij.submit(executor, { executable: '/bin/sleep', arguments: ['600'], directory })
  const named = await psij.call('status', { executor, jobs: [sleeper.nativeId] })
  await psij.call('cancel', { executor, jobs: [sleeper.id] })
  const cancelled = await sleeper.ended
  const again = await psij.attach(executor, job.nativeId)
  const both = await psij.call('submit_bulk', { executor, specs: [{ executable: '/bin/true', directory }, { executable: 5 }] })
  const refused = await psij.call('submit', { executor, spec: { executabel: '/bin/true' } }).catch(error => error)
  const { arrays } = await psij.call('capabilities', { executor })
  console.log(JSON.stringify({
    seen,
    end: [end.state, end.exit_code, end.metadata.reason],
    named: Object.keys(named).length === 1 && sleeper.nativeId in named,
    cancelled: [cancelled.state, cancelled.metadata.reason],
    again: (await again.ended).exit_code,
    both: [typeof both[0].native_id, both[1].error.code],
    refused: [refused.code, refused.message],
    arrays
  }))
  psij.close()
}

main().catch(error => { console.error(error); process.exit(1) })
