import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'

import app from '../app.json'
import App from './App.jsx'
import './styles.css'
import './app.css'

document.documentElement.style.setProperty('--hue', String(app.hue))

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
