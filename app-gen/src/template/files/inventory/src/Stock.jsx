import { isLow } from './stock.js'

const COLUMNS = [
  { id: 'name', title: 'Name' },
  { id: 'place', title: 'Place' },
  { id: 'quantity', title: 'Quantity' },
]

/** The items as a table; a click on a column's head sorts by it, another one turns the order round. */
export default function Stock({ items, order, onOrder, onAdjust, onOpen }) {
  return (
    <table className="stock">
      <thead>
        <tr>
          {COLUMNS.map(({ id, title }) => {
            const sorted = order.column === id
            const descending = sorted && order.descending
            return (
              <th key={id} scope="col" aria-sort={sorted ? (descending ? 'descending' : 'ascending') : undefined}>
                <button type="button" className="quiet" onClick={() => onOrder({ column: id, descending: sorted && !descending })}>
                  {title} <span aria-hidden="true">{sorted && (descending ? '↓' : '↑')}</span>
                </button>
              </th>
            )
          })}
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={item.id}>
            <th scope="row">
              <button type="button" className="quiet name" dir="auto" title="Change" onClick={() => onOpen(item)}>{item.name}</button>
            </th>
            <td dir="auto">{item.place}</td>
            <td>
              <div className="quantity">
                <button
                  type="button"
                  className="small"
                  aria-label={`One ${item.name} less`}
                  disabled={item.quantity === 0}
                  onClick={() => onAdjust(item, -1)}
                >
                  −
                </button>
                <span className="number">{item.quantity}</span>
                <button type="button" className="small" aria-label={`One ${item.name} more`} onClick={() => onAdjust(item, 1)}>+</button>
                {isLow(item) && <span className="low">below {item.minimum}</span>}
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
